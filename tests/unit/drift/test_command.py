import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from predictor import cli
from predictor.captured import Line
from predictor.cli import drift
from predictor.contract import Contract


@pytest.fixture
def january(csv_lines: list[bytes], tmp_path: Path) -> Path:
    """Return a file of the year's first 400 rows, four days and a bit."""
    path = tmp_path / "january.csv"
    path.write_bytes(b"".join(csv_lines))
    return path


def run(*arguments: object) -> int:
    return cli.main(["drift", *map(str, arguments)])


def test_a_file_is_compared_with_a_bundle(
    bundle_folder: Path, january: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert run(bundle_folder, january, "--output", page) == 0
    shown = capsys.readouterr().out
    assert "400 rows in 1 window: drift in day_of_week" in shown
    assert "Thresholds were calibrated on windows of 2,688 rows; these have 400" in shown
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_drift_is_an_exit_code_when_asked(bundle_folder: Path, january: Path) -> None:
    assert run(bundle_folder, january, "--fail-on-drift") == drift.DRIFT_EXIT == 3
    assert run(bundle_folder, january, "--fail-on-drift", "--threshold", "100") == 0


def test_json_is_all_that_is_printed_for_programs(
    bundle_folder: Path, january: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bundle_folder, january, "--json", "--window-rows", 100) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(column["windows"]) for column in found["columns"]] == [4] * 9


def test_a_file_is_compared_with_itself(january: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(january, january, "--window-rows", 400, "--fail-on-drift") == 0
    assert "400 rows in 1 window: no drift" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--bundle", "--contract"])
def test_a_reference_files_columns_can_be_given(
    bundle_folder: Path, january: Path, tmp_path: Path, contract: Contract, option: str
) -> None:
    (tmp_path / "contract.json").write_bytes(msgspec.json.encode(contract))
    given = {"--bundle": bundle_folder, "--contract": tmp_path / "contract.json"}[option]
    assert run(january, january, option, given) == 0


def test_an_error_is_one_sentence(
    bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(datetime.now(UTC), "energy", "0123456789ab", [[1]], [1.0], [0.0], [2.0])
    (tmp_path / "requests.jsonl").write_bytes(msgspec.json.encode(line))
    assert run(bundle_folder, tmp_path / "requests.jsonl") == 1
    sentence = "requests.jsonl: line 1: row 0: got 1 values, expected 8\n"
    assert capsys.readouterr().err == f"predictor: {tmp_path}/{sentence}"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--threshold", "0", "a number over 0"),
        ("--threshold", "nan", "a number over 0"),
        ("--window-rows", "0", "a whole number from 1 on"),
        ("--window-rows", "28d", "a whole number from 0 on"),
    ],
)
def test_an_option_says_what_it_takes(
    capsys: pytest.CaptureFixture[str], option: str, value: str, expected: str
) -> None:
    with pytest.raises(SystemExit) as error:
        run("a", "b", option, value)
    assert error.value.code == 2
    assert f"argument {option}: got '{value}', expected {expected}" in capsys.readouterr().err
