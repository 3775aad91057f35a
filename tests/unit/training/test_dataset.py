import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from predictor.contract import Column, Contract, Target
from predictor.errors import DataError
from predictor.training import dataset as module
from predictor.training.dataset import Dataset, Layout, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def test_the_packaged_data_are_read(dataset: Dataset) -> None:
    assert dataset.columns.shape == (35_040, 8)
    np.testing.assert_array_equal(dataset.columns[0], [2.95, 0, 0, 73.21, 100, 900, 0, 0])
    assert dataset.target[0] == 3.17
    assert dataset.target.sum() == pytest.approx(959_637.23)


def test_a_file_with_the_same_columns_is_read(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    file.write_bytes(b"".join(csv_lines))
    assert len(load(contract, file).target) == 400


def test_every_row_has_its_day(dataset: Dataset) -> None:
    assert dataset.days is not None
    assert (str(dataset.days[0]), str(dataset.days[-1])) == ("2018-01-01", "2018-12-31")
    assert len(np.unique(dataset.days)) == 365


def test_a_day_before_the_one_above_is_named(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    late = csv_lines[200].replace(b"03/01/2018", b"01/01/2018")
    assert late != csv_lines[200]
    file.write_bytes(b"".join([*csv_lines[:200], late, *csv_lines[201:]]))
    with pytest.raises(DataError, match=r"line 201, column 'date': .* expected no day before"):
        load(contract, file)


def test_a_time_that_is_none_is_named(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    file.write_bytes(b"".join(csv_lines).replace(b"01/01/2018 00:15", b"New Year", 1))
    with pytest.raises(DataError, match="line 2, column 'date': got 'New Year', expected a time"):
        load(contract, file)


PLANT = Contract(
    (
        Column("flow", "FP64", "m3", "", minimum=0.0),
        Column("line", "BYTES", "category", "", labels={"a": 0, "b": 1}),
        Column("shift", "INT64", "number", "", minimum=0.0, maximum=2.0, labels={"day": 0}),
    ),
    Target("heat", "kWh", ""),
)


def plant(rows: int = 120) -> str:
    lines = [f"2020-01-{i // 24 + 1:02}T00:00Z,{i},{'ab'[i % 2]},{i % 3},{-i}" for i in range(rows)]
    return "\n".join(["when,flow,line,shift,heat", *lines])


def test_another_plants_file_is_read_by_its_own_contract(file: Path) -> None:
    file.write_text(plant().replace(",b,0,", ",b,day,"))
    found = load(PLANT, file, Layout(time="when"))
    np.testing.assert_array_equal(found.columns[:2], [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(found.columns[3], [3, 1, 0])
    assert found.target[7] == -7
    assert found.days is not None
    assert str(found.days[-1]) == "2020-01-05"
    assert load(PLANT, file, Layout()).days is None


def test_a_target_outside_its_range_is_named(file: Path) -> None:
    bounded = Contract(PLANT.columns, Target("heat", "kWh", "", maximum=-1.0))
    file.write_text(plant())
    with pytest.raises(DataError, match="line 2, column 'heat': got '0', expected a number to -1"):
        load(bounded, file, Layout())


def test_a_number_that_float32_cannot_hold_is_named(file: Path) -> None:
    file.write_text(plant().replace("T00:00Z,7,", "T00:00Z,1e39,"))
    with pytest.raises(DataError, match=r"line 9, column 'flow': got '1e39', expected .* float32"):
        load(PLANT, file, Layout())


def test_some_rows_are_taken_with_all_that_belongs_to_them(dataset: Dataset) -> None:
    part = dataset.take(np.array([5, 34_000]))
    assert part.days is not None
    assert [str(day) for day in part.days] == ["2018-01-01", "2018-12-21"]
    np.testing.assert_array_equal(part.target, dataset.target[[5, 34_000]])
    assert part.sha256 == dataset.sha256


def test_a_missing_file_is_named(file: Path, contract: Contract) -> None:
    with pytest.raises(DataError, match=r"data\.csv: No such file"):
        load(contract, file)


def test_a_missing_column_is_named(csv_lines: list[bytes], file: Path, contract: Contract) -> None:
    file.write_bytes(b"".join(csv_lines).replace(b"NSM", b"Seconds", 1))
    with pytest.raises(DataError, match="column 'NSM' is missing; the file has date, Usage_kWh"):
        load(contract, file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"73.21", b"173.21", "line 2, column 'Lagging_Current_Power_Factor': got '173.21'"),
        (b"73.21", b"high", "line 2, column 'Lagging_Current_Power_Factor': got 'high'"),
        (b"73.21", b"", "line 2, column 'Lagging_Current_Power_Factor': got ''"),
        (b"3.17", b"nan", "line 2, column 'Usage_kWh': got 'nan'"),
        (b"900,", b"900.5,", "line 2, column 'NSM': got '900.5', expected a whole number"),
        (b"Monday", b"Montag", "line 2, column 'Day_of_week': got 'Montag', expected a whole nu"),
        (b"Light_Load", b"Light_Lo", "line 2, column 'Load_Type': got 'Light_Lo'"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_column(
    csv_lines: list[bytes], file: Path, contract: Contract, old: bytes, new: bytes, message: str
) -> None:
    file.write_bytes(csv_lines[0] + csv_lines[1].replace(old, new) + b"".join(csv_lines[2:]))
    with pytest.raises(DataError) as error:
        load(contract, file)
    assert message in str(error.value)


def test_a_line_cut_short_is_named(csv_lines: list[bytes], file: Path, contract: Contract) -> None:
    file.write_bytes(b"".join(csv_lines[:9]) + csv_lines[9][:24])
    with pytest.raises(DataError, match=r"line 10, column '.*': got '', expected"):
        load(contract, file)


def test_a_line_with_too_many_values_is_named(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    file.write_bytes(b"".join(csv_lines[:9]) + b"1," * 20 + b"1\n")
    with pytest.raises(DataError, match="line 10"):
        load(contract, file)


def test_a_compressed_file_cut_short_names_the_line(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    packed = gzip.compress(b"".join(csv_lines))
    file.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"line [0-9]+, column"):
        load(contract, file)


def test_a_compressed_file_cut_at_the_end_of_a_line_is_refused(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    content = packer.compress(b"".join(csv_lines[:200])) + packer.flush(zlib.Z_SYNC_FLUSH)
    file.write_bytes(content)
    with pytest.raises(DataError, match="cut short after line 200"):
        load(contract, file)


def test_a_comma_after_every_value_changes_nothing(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    ends = [line.replace(b"\r\n", b",\r\n") for line in csv_lines[1:]]
    file.write_bytes(b"".join([csv_lines[0], *ends]))
    assert load(contract, file).target[0] == 3.17


def test_a_blank_line_counts_as_one(csv_lines: list[bytes], file: Path, contract: Contract) -> None:
    file.write_bytes(b"".join([*csv_lines[:5], b"\r\n", *csv_lines[5:]]))
    with pytest.raises(DataError, match="line 6"):
        load(contract, file)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bgarbage", b"\xff\xfe\x00"])
def test_a_file_that_is_no_csv_is_refused(file: Path, contract: Contract, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DataError, match="not a CSV file"):
        load(contract, file)


def test_a_file_with_too_few_rows_is_refused(
    csv_lines: list[bytes], file: Path, contract: Contract
) -> None:
    file.write_bytes(b"".join(csv_lines[:50]))
    with pytest.raises(DataError, match="has 49 rows, training takes 100 or more"):
        load(contract, file)


def test_changed_packaged_data_are_refused(
    csv_lines: list[bytes], contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_packaged", lambda: b"".join(csv_lines))
    with pytest.raises(DataError, match="400 rows of 35040"):
        load(contract)
