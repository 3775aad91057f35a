"""What is read, in whatever format, comes out with the answers, in whatever format."""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from predictor import bundle, graph
from predictor.contract import Contract
from predictor.errors import ScoringError
from predictor.scoring.parts import Counts
from tests.unit.scoring.conftest import Rows, Score, read, write

SUFFIXES = (".csv", ".jsonl", ".parquet")
ANSWERS = ("predicted_usage_kwh", "lower", "upper")


@pytest.fixture(scope="session")
def expected(rows: Rows, bundle_folder: Path, contract: Contract) -> list[tuple[float, ...]]:
    """Return what the graph gives for the rows, all at once."""
    model = bundle.read(bundle_folder)
    columns = [[c.encode(row[c.name]) for c in contract.columns] for row in rows]
    found = graph.predict(graph.load(model.model), contract, np.array(columns))
    return list(zip(found.values, found.lower, found.upper, strict=True))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("source", "target"), list(product(SUFFIXES, SUFFIXES)))
def test_every_row_has_its_answer_to_the_last_bit(
    tmp_path: Path,
    rows: Rows,
    expected: list[tuple[float, ...]],
    score: Score,
    source: str,
    target: str,
) -> None:
    counts = score(write(tmp_path / f"in{source}", rows), tmp_path / f"out{target}")
    found = read(tmp_path / f"out{target}")
    assert counts == Counts(len(rows), 0)
    assert [tuple(float(row[name]) for name in ANSWERS) for row in found] == expected
    assert [int(row["id"]) for row in found] == list(range(len(rows)))
    assert [row["note"] for row in found] == [row["note"] for row in rows]
    assert [str(row["load_type"]) for row in found] == [row["load_type"] for row in rows]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{source}", f"out{target}"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_lines_are_gone_on_with_as_they_stand(
    tmp_path: Path, rows: Rows, score: Score, suffix: str
) -> None:
    source = write(tmp_path / f"in{suffix}", rows)
    score(source, tmp_path / f"out{suffix}")
    pairs = zip(
        source.read_text().splitlines(),
        (tmp_path / f"out{suffix}").read_text().splitlines(),
        strict=True,
    )
    assert all(after.startswith(before.rstrip("}")) for before, after in pairs)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_where_the_cuts_are_does_not_show(
    tmp_path: Path, rows: Rows, score: Score, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source = write(tmp_path / f"in{suffix}", rows)
    score(source, tmp_path / "whole.jsonl")
    for size in (7, 100, 4_999):
        monkeypatch.setattr("predictor.scoring.plan.BLOCK_BYTES", size * 20)
        monkeypatch.setattr("predictor.scoring.plan.BLOCK_ROWS", size)
        score(source, tmp_path / f"{size}.jsonl")
        cut = (tmp_path / f"{size}.jsonl").read_bytes()
        assert cut == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\n\n"),
    ],
    ids=["no last newline", "CRLF", "byte order mark", "blank lines"],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.usefixtures("small_blocks")
def test_a_text_may_be_as_other_programs_write_it(
    tmp_path: Path, rows: Rows, score: Score, change: object, suffix: str
) -> None:
    assert callable(change)
    source = write(tmp_path / f"in{suffix}", rows[:80])
    score(source, tmp_path / "plain.jsonl")
    source.write_bytes(change(source.read_bytes()))
    score(source, tmp_path / "other.jsonl")
    assert (tmp_path / "other.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()


def test_a_glob_is_read_in_the_order_of_its_names(tmp_path: Path, rows: Rows, score: Score) -> None:
    for place in (2, 0, 1):
        write(tmp_path / f"in-{place}.parquet", rows[place * 100 : place * 100 + 100])
    assert score(tmp_path / "in-*.parquet", tmp_path / "out.csv") == Counts(300, 0)
    assert [row["id"] for row in read(tmp_path / "out.csv")] == [str(n) for n in range(300)]


def test_objects_of_a_store_are_read_and_written(tmp_path: Path, rows: Rows, score: Score) -> None:
    import fsspec

    source = write(tmp_path / "in.csv", rows)
    score(source, tmp_path / "out.parquet")
    store = fsspec.filesystem("memory")
    store.pipe_file("/bucket/in.csv", source.read_bytes())
    assert score("memory://bucket/in.csv", "memory://bucket/out.parquet") == Counts(len(rows), 0)
    assert store.cat_file("/bucket/out.parquet") == (tmp_path / "out.parquet").read_bytes()
    assert store.find("/bucket") == ["/bucket/in.csv", "/bucket/out.parquet"]


@pytest.mark.usefixtures("small_blocks")
def test_a_server_that_gives_whole_files_instead_of_parts_is_said(
    tmp_path: Path, rows: Rows, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    store, really = fsspec.filesystem("memory"), MemoryFileSystem.cat_file
    store.pipe_file("/whole/in.csv", write(tmp_path / "in.csv", rows).read_bytes())
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda self, path, **_: really(self, path))
    with pytest.raises(
        ScoringError, match=r"in\.csv: got \d+ bytes, expected 5000 bytes from byte"
    ):
        score("memory://whole/in.csv", tmp_path / "out.csv")


def test_a_column_of_the_last_line_alone_is_seen(tmp_path: Path, rows: Rows, score: Score) -> None:
    lines = [json.dumps(row) for row in (*rows[:2], rows[2] | {"late": 1})]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    assert score(tmp_path / "in.jsonl", tmp_path / "out.csv") == Counts(3, 0)
    assert [row["late"] for row in read(tmp_path / "out.csv")] == ["", "", "1"]


def test_a_header_without_rows_is_scored(tmp_path: Path, rows: Rows, score: Score) -> None:
    source = tmp_path / "in.csv"
    source.write_text(",".join(rows[0]) + "\n")
    assert score(source, tmp_path / "out.csv") == Counts(0, 0)
    names = [*rows[0], *ANSWERS, "warnings"]
    assert (tmp_path / "out.csv").read_text() == ",".join(names) + "\n"


TIME_NS = 1_577_934_245_678_901_234


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array(["a"] * 3, pa.string_view()), "a"),
        (pa.array([TIME_NS] * 3, pa.timestamp("ns")), "2020-01-02T03:04:05.678901234"),
        (pa.array([TIME_NS] * 3, pa.timestamp("ns", "UTC")), "2020-01-02T03:04:05.678901234Z"),
        (pa.array([5] * 3, pa.time64("ns")), "00:00:00.000000005"),
        (
            pa.array([[TIME_NS]] * 3, pa.list_(pa.timestamp("ns"))),
            ["2020-01-02T03:04:05.678901234"],
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_columns_of_other_types_are_gone_on_with(
    tmp_path: Path, rows: Rows, score: Score, column: pa.Array, text: object
) -> None:
    table = pa.Table.from_pylist(rows[:3])
    labels = table["load_type"].cast(pa.string_view())
    table = table.set_column(table.column_names.index("load_type"), "load_type", labels)
    pq.write_table(table.append_column("other", column), tmp_path / "in.parquet")
    for suffix in (".jsonl", ".parquet") if isinstance(text, list) else SUFFIXES:
        assert score(tmp_path / "in.parquet", tmp_path / f"out{suffix}") == Counts(3, 0)
    assert [row["other"] for row in read(tmp_path / "out.jsonl")] == [text] * 3


@pytest.mark.parametrize(
    ("suffix", "column", "kind"),
    [
        (".csv", pa.array([b"a"], pa.large_binary()), "large_binary"),
        (".csv", pa.array([b"a"], pa.binary(1)), "fixed_size_binary[1]"),
        (".csv", pa.array([b"a"], pa.binary_view()), "binary"),
        (".csv", pa.array([[1]]), "list<element: int64>"),
        (".jsonl", pa.array([5], pa.duration("ns")), "duration[ns]"),
        (
            ".jsonl",
            pa.array([{"at": TIME_NS}], pa.struct([("at", pa.timestamp("ns"))])),
            "struct<at: timestamp[ns]>",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_column_that_a_format_has_not_is_said_at_once(
    tmp_path: Path, rows: Rows, score: Score, suffix: str, column: pa.Array, kind: str
) -> None:
    table = pa.Table.from_pylist(rows[:1]).append_column("other", column)
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(ScoringError, match=f"column 'other' is of type {re.escape(kind)}, which"):
        score(tmp_path / "in.parquet", tmp_path / f"out{suffix}")
    assert not (tmp_path / f"out{suffix}.parts").exists()
    assert score(tmp_path / "in.parquet", tmp_path / "out.parquet") == Counts(1, 0)


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("no.csv", "out.csv", "no.csv: No such file or directory"),
        ("*.parquet", "out.csv", "no file has such a name"),
        ("in.xlsx", "out.csv", "got a name of no known format"),
        ("in.csv.gz", "out.csv", "is compressed"),
        ("in.csv", "out", "got a name of no known format"),
        ("in.csv", "in.csv", "is the input too"),
        ("in.*", "out.csv", "expected files of one format"),
        ("", "out.csv", "is a folder"),
    ],
)
def test_what_cannot_be_read_or_written_is_said(
    tmp_path: Path, rows: Rows, score: Score, source: str, target: str, sentence: str
) -> None:
    for name in ("in.csv", "in.jsonl"):
        write(tmp_path / name, rows[:5])
    for name in ("in.xlsx", "in.csv.gz"):
        (tmp_path / name).touch()
    if source == "in.*":
        (tmp_path / "in.xlsx").unlink()
        (tmp_path / "in.csv.gz").unlink()
    with pytest.raises(ScoringError) as raised:
        score(tmp_path / source, tmp_path / target)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("in.csv", "in/./../in.csv", "is the input too"),
        ("in.csv", "linked/in.csv", "is the input too"),
        ("linked/in.csv", "in.csv", "is the input too"),
        ("out.csv.rejected.csv", "out.csv", "out.csv.rejected.csv is written beside"),
        ("out.csv.parts/in.csv", "linked/out.csv", "out.csv.parts is written beside"),
        ("memory://bucket/in.csv", "memory://bucket/./in.csv", "is the input too"),
    ],
)
def test_an_input_is_never_written_over_however_it_is_spelled(
    tmp_path: Path, rows: Rows, score: Score, source: str, target: str, sentence: str
) -> None:
    import fsspec

    (tmp_path / "in").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "out.csv.parts").mkdir()
    kept = write(tmp_path / "kept.csv", rows[:5]).read_bytes()
    named = [url if "://" in url else f"{tmp_path}/{url}" for url in (source, target)]
    fs, path = fsspec.url_to_fs(named[0])
    fs.pipe_file(path, kept)
    with pytest.raises(ScoringError, match=sentence):
        score(*named)
    assert fs.cat_file(path) == kept


def test_an_unknown_protocol_is_said(score: Score) -> None:
    with pytest.raises(ScoringError, match="Protocol not known: nowhere"):
        score("nowhere://in.csv", "out.csv")
