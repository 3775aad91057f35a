import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.contract import Contract
from predictor.drift.sample import Sample, read
from predictor.errors import DataError
from predictor.training.columns import CSV_NAMES
from predictor.training.dataset import Dataset

ROWS = 400


@pytest.fixture
def raw(csv_lines: list[bytes]) -> bytes:
    return b"".join(csv_lines)


@pytest.fixture
def own(contract: Contract, month: Dataset) -> pd.DataFrame:
    """Return rows under the contract's names, labels as text."""
    table = pd.DataFrame(month.columns[:ROWS], columns=list(contract.names))
    return table.assign(
        nsm=table["nsm"].astype(int),
        load_type=table["load_type"].map(dict(enumerate(["Light", "Medium", "Maximum"]))),
        usage_kwh=month.target[:ROWS],
    )


def load(path: Path, contract: Contract) -> Sample:
    return read(path, contract, CSV_NAMES)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_data_sets_own_columns_are_read(
    raw: bytes, tmp_path: Path, contract: Contract, month: Dataset, pack: type[bytes]
) -> None:
    (tmp_path / "rows").write_bytes(pack(raw))
    found = load(tmp_path / "rows", contract)
    np.testing.assert_array_equal(found.columns, month.columns[:ROWS])
    assert found.target is not None
    np.testing.assert_array_equal(found.target, month.target[:ROWS])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_contracts_columns_are_read(
    own: pd.DataFrame, tmp_path: Path, contract: Contract, month: Dataset, kind: str
) -> None:
    path = tmp_path / f"rows.{kind}"
    own.to_csv(path, index=False) if kind == "csv" else own.to_parquet(path)
    found = load(path, contract)
    np.testing.assert_array_equal(found.columns, month.columns[:ROWS])
    assert found.target is not None
    np.testing.assert_array_equal(found.target, month.target[:ROWS])


def test_a_file_without_the_target_has_none(
    own: pd.DataFrame, tmp_path: Path, contract: Contract
) -> None:
    own.drop(columns="usage_kwh").to_parquet(tmp_path / "rows.parquet")
    assert load(tmp_path / "rows.parquet", contract).target is None


def test_a_bad_cell_of_a_csv_file_is_named(raw: bytes, tmp_path: Path, contract: Contract) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(raw.replace(b"Light_Load", b"Dark_Load", 1))
    with pytest.raises(DataError) as error:
        load(path, contract)
    assert str(error.value) == (
        f"{path}: line 2, column 'Load_Type': got 'Dark_Load', expected one of "
        "Light, Medium, Maximum, Light_Load, Medium_Load, Maximum_Load"
    )


@pytest.mark.parametrize("value", [-1.0, float("nan"), None])
def test_a_bad_cell_of_a_parquet_file_is_named(
    own: pd.DataFrame, tmp_path: Path, contract: Contract, value: float | None
) -> None:
    own.loc[6, "co2"] = value
    own.to_parquet(tmp_path / "rows.parquet")
    sentence = r"rows.parquet: row 7, column 'co2': got '(-1.0|nan)', expected a number from 0 to"
    with pytest.raises(DataError, match=sentence):
        load(tmp_path / "rows.parquet", contract)


def test_a_missing_column_is_named(own: pd.DataFrame, tmp_path: Path, contract: Contract) -> None:
    own.drop(columns="co2").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match=r"rows.csv: column 'CO2\(tCO2\)' is missing; the file has"):
        load(tmp_path / "rows.csv", contract)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a CSV file that can be read"),
        (b"PAR1 and no more", "not a Parquet file that can be read"),
        (gzip.compress(b"a,b\n1,2\n")[:-6], "Compressed file ended"),
        (b"co2,nsm\n", "the file has no rows"),
        (b"{}", r"line 1: Object missing required field `time`"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(
    tmp_path: Path, contract: Contract, content: bytes, sentence: str
) -> None:
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        load(tmp_path / "rows", contract)


def test_a_file_that_is_not_there_is_said(tmp_path: Path, contract: Contract) -> None:
    with pytest.raises(DataError, match="none: No such file or directory"):
        load(tmp_path / "none", contract)
