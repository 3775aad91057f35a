"""Bad rows are put aside, with the server's own sentences; the others are scored."""

import csv
import io
import json
import math
import re
from pathlib import Path
from random import Random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import bundle
from predictor.contract import Contract
from predictor.errors import JSON_ERRORS, InvalidInput, ScoringError
from predictor.scoring.cells import encode
from predictor.scoring.inputs import HEAD_BYTES
from predictor.scoring.lines import csv_chunk, json_chunk
from predictor.scoring.parts import Counts
from predictor.serving.decoding import batch
from tests import generated, kinds
from tests.unit.scoring.conftest import Rows, Score, read, refused, write

BAD = {
    3: ("nsm", -1, "got -1, expected a whole number from 0 to 86399 (seconds from midnight)"),
    70: ("load_type", "Heavy", 'got "Heavy", expected one of Light, Medium, Maximum'),
    71: ("co2", "much", 'got "much", expected a number from 0 to 1000000 (t)'),
    599: ("nsm", 0.5, "got 0.5, expected a whole number from 0 to 86399 (seconds from midnight)"),
}
# Labels of which CSV cannot tell whether they are texts, or that take two lines.
AMBIGUOUS = re.compile(r"^(0|NaN|null|)\Z|\n")
EXPECTED = [(str(place + 1), column, reason) for place, (column, _, reason) in BAD.items()]


@pytest.fixture
def with_bad(rows: Rows) -> Rows:
    changed = {place: {column: value} for place, (column, value, _) in BAD.items()}
    return [row | changed.get(place, {}) for place, row in enumerate(rows)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_bad_row_is_named_with_its_column_and_the_reason(
    tmp_path: Path, with_bad: Rows, score: Score, suffix: str
) -> None:
    source = write(tmp_path / f"in{suffix}", with_bad)
    assert score(source, tmp_path / "out.csv") == Counts(596, 4)
    assert refused(tmp_path / "out.csv") == EXPECTED
    left = [str(place) for place in range(600) if place not in BAD]
    assert [row["id"] for row in read(tmp_path / "out.csv")] == left


def test_rows_that_are_all_right_leave_no_file_of_bad_ones(
    tmp_path: Path, rows: Rows, with_bad: Rows, score: Score
) -> None:
    score(write(tmp_path / "in.csv", with_bad), tmp_path / "out.csv")
    assert (tmp_path / "out.csv.rejected.csv").exists()
    score(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv.rejected.csv").exists()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_strict_ends_at_the_first_bad_row(
    tmp_path: Path, with_bad: Rows, score: Score, suffix: str
) -> None:
    source = write(tmp_path / f"in{suffix}", with_bad)
    for _ in range(2):  # the second finds the part of the bad row
        with pytest.raises(ScoringError) as raised:
            score(source, tmp_path / "out.csv", is_strict=True)
        assert str(raised.value) == f"{source}: row 4, column nsm: {BAD[3][2]}"
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_was_mended_after_strict_refused_it_is_scored(
    tmp_path: Path, rows: Rows, with_bad: Rows, score: Score
) -> None:
    source = write(tmp_path / "in.csv", with_bad)
    with pytest.raises(ScoringError, match="row 4, column nsm"):
        score(source, tmp_path / "out.csv", is_strict=True)
    write(source, rows)
    assert score(source, tmp_path / "out.csv", is_strict=True) == Counts(600, 0)


def test_rows_of_a_wrong_form_are_bad_rows(tmp_path: Path, rows: Rows, score: Score) -> None:
    source, names = write(tmp_path / "in.csv", rows[:3]), ", ".join(rows[0])
    lines = source.read_text().splitlines()
    source.write_text("\n".join([lines[0], "1,2", *lines[1:3], lines[3] + ",9"]) + "\n")
    assert score(source, tmp_path / "out.csv") == Counts(2, 2)
    assert refused(tmp_path / "out.csv") == [
        ("1", "", f"got 2 values, expected 10: {names}"),
        ("4", "", f"got 11 values, expected 10: {names}"),
    ]


def test_lines_that_are_no_rows_are_bad_rows(tmp_path: Path, rows: Rows, score: Score) -> None:
    source = write(tmp_path / "in.jsonl", rows[:300])
    lacking = {name: value for name, value in rows[1].items() if name != "co2"}
    unknown = rows[1] | {"other": 1}
    bad = ["[1]", "{", json.dumps(lacking), json.dumps(unknown)]
    with source.open("a") as file:
        file.write(" " * HEAD_BYTES + "\n" + "\n".join(bad))
    assert score(source, tmp_path / "out.jsonl") == Counts(300, 4)
    names = ", ".join(rows[0])
    assert refused(tmp_path / "out.jsonl") == [
        ("301", "", "got an array, expected an object"),
        ("302", "", "not JSON that can be read: Input data was truncated"),
        ("303", "co2", "got nothing, expected a number from 0 to 1000000 (t)"),
        ("304", "", f'got column "other", expected only {names}'),
    ]


def test_a_quote_that_goes_on_in_the_next_line_is_said(
    tmp_path: Path, rows: Rows, score: Score
) -> None:
    source = write(tmp_path / "in.csv", [rows[0] | {"note": "two\nlines"}])
    with pytest.raises(ScoringError, match="a quote does not end in its line"):
        score(source, tmp_path / "out.csv")


def test_a_byte_that_is_not_utf8_is_said_with_its_column(
    tmp_path: Path, rows: Rows, score: Score
) -> None:
    source = write(tmp_path / "in.csv", [rows[1], rows[2] | {"note": "Z\u00fcrich"}])
    source.write_bytes(source.read_text().encode("latin-1"))
    with pytest.raises(ScoringError) as raised:
        score(source, tmp_path / "out.csv")
    assert str(raised.value).startswith(f"{source}: column note is not UTF-8 in the line ")


def test_a_missing_column_is_said_at_once(tmp_path: Path, rows: Rows, score: Score) -> None:
    for suffix in (".csv", ".jsonl", ".parquet"):
        without = [{n: v for n, v in row.items() if n != "nsm"} for row in rows[:5]]
        source = write(tmp_path / f"in{suffix}", without)
        with pytest.raises(ScoringError) as raised:
            score(source, tmp_path / "out.csv")
        there = ", ".join(without[0])
        assert str(raised.value) == f"{source}: column 'nsm' is missing; the file has {there}"


def test_a_column_that_is_written_too_is_said(tmp_path: Path, rows: Rows, score: Score) -> None:
    source = write(tmp_path / "in.csv", [row | {"lower": 1} for row in rows[:2]])
    with pytest.raises(ScoringError, match="has a column 'lower', which is written too"):
        score(source, tmp_path / "out.csv")


def test_cells_of_parquet_have_its_own_types(tmp_path: Path, rows: Rows, score: Score) -> None:
    table = pa.Table.from_pylist(rows[:6])
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    columns["nsm"] = columns["nsm"].cast(pa.float32())
    columns["load_type"] = columns["load_type"].dictionary_encode()
    columns["co2"] = pa.array([0.0, math.nan, None, -1.0, math.inf, 0.5])
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    assert score(tmp_path / "in.parquet", tmp_path / "out.jsonl") == Counts(2, 4)
    wanted = "expected a number from 0 to 1000000 (t)"
    assert refused(tmp_path / "out.jsonl") == [
        (str(place), "co2", f"got {value}, {wanted}")
        for place, value in ((2, "nan"), (3, "null"), (4, "-1.0"), (5, "inf"))
    ]
    columns["co2"] = pa.array([True] * 6)
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    with pytest.raises(ScoringError, match=f"column co2 has the type bool, {wanted[:20]}"):
        score(tmp_path / "in.parquet", tmp_path / "out.jsonl")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_class_has_its_probabilities_and_nothing_may_be_missing_where_it_may(
    tmp_path: Path, score: Score, suffix: str
) -> None:
    made = kinds.churn()
    bundle.write(tmp_path / "bundle", made.manifest, made.files)
    source = write(tmp_path / f"in{suffix}", kinds.ROWS)
    counts = score(source, tmp_path / "out.jsonl", bundle=tmp_path / "bundle")
    golden = made.manifest.golden
    found = read(tmp_path / "out.jsonl")
    names = ("stays", "léaves")
    assert counts == Counts(5, 0)
    assert [row["predicted_churn"] for row in found] == [names[int(p)] for p in golden.predictions]
    likely = [row[f"probability_{row['predicted_churn']}"] for row in found]
    assert likely == golden.probabilities
    assert [row["warnings"] for row in found] == [[]] * 5
    assert [row["plan"] or None for row in found] == [row["plan"] for row in kinds.ROWS]
    without = [{"age": row["age"]} for row in kinds.ROWS]
    counts = score(
        write(tmp_path / f"less{suffix}", without),
        tmp_path / f"out{suffix}",
        bundle=tmp_path / "bundle",
    )
    assert counts == Counts(5, 0)


def said(contract: Contract, row: object) -> str:
    """Return the server's word on a row, or its numbers."""
    try:
        return str(batch.encode(contract, [row], 1).columns.tolist())
    except InvalidInput as error:
        return str(error).removeprefix("row 0").lstrip(",: ")


def test_lines_of_json_are_read_as_the_server_reads_them() -> None:
    random = Random(11)
    accepted = 0
    for _ in range(400):
        contract = generated.contract(random)
        lines = [row_line(random, contract) for _ in range(5)]
        chunk = json_chunk(b"\n".join(lines), list(contract.names), contract)
        encoded = encode(contract, chunk)
        found = dict(
            zip(
                chunk.places[encoded.good].tolist(),
                encoded.columns[encoded.good].tolist(),
                strict=True,
            )
        )
        words = {place: str([row]) for place, row in found.items()}
        for place, column, reason in encoded.refused:
            words[place] = f"column {column}: {reason}" if column else reason
        for place, line in enumerate(lines):
            try:
                row = msgspec.json.decode(line)
            except JSON_ERRORS:
                assert words[place].startswith("not JSON that can be read: ")
            else:
                assert words[place] == said(contract, row)
        accepted += len(found)
    assert 1000 < accepted < 1990


def row_line(random: Random, contract: Contract) -> bytes:
    return generated.row_token(random, contract, "objects").replace(b"\n", b" ")


def test_cells_of_csv_are_read_as_the_values_that_they_look_like() -> None:
    random = Random(12)
    accepted = refused_too = 0
    for _ in range(400):
        contract = generated.contract(random)
        rows = [generated.row(random, contract) for _ in range(5)]
        if any(AMBIGUOUS.search(label) for column in contract.columns for label in column.labels):
            continue
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*row.values(), "end"] for row in rows)
        chunk = csv_chunk(text.getvalue().encode(), [*contract.names, "end"], "file")
        encoded = encode(contract, chunk)
        why = {each.place: f"column {each.column}: {each.reason}" for each in encoded.refused}
        for place, row in enumerate(rows):
            assert why.get(place, str(encoded.columns[[place]].tolist())) == said(contract, row)
        accepted += int(encoded.good.sum())
        refused_too += len(why)
    assert accepted > 500
    assert refused_too > 10
