"""Data that have nothing to do with steel, from a CSV file and a contract to answers over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from predictor import bundle, cli
from predictor.bundle import Manifest
from tests.protocol.process import running

SEXES = {"female": 0, "male": 1}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data.csv and contract.json: patients, and how far their disease went."""
    folder = tmp_path_factory.mktemp("patients")
    table = load_diabetes(as_frame=True, scaled=False).frame
    table["sex"] = np.where(table["sex"] > 1, "male", "female")
    table = table.rename(columns={"target": "progression"})
    table.to_csv(folder / "data.csv", index=False)
    columns = [
        {"name": name, "datatype": "FP64", "unit": "as measured", "description": name}
        for name in table.columns.drop("progression")
    ]
    columns[1] |= {"datatype": "BYTES", "labels": SEXES}
    target = {"name": "progression", "unit": "points", "description": "After one year"}
    contract = {"columns": columns, "target": target}
    (folder / "contract.json").write_bytes(msgspec.json.encode(contract))
    return folder


@pytest.fixture(scope="module")
def folder(files: Path) -> Path:
    options = ["--data", files / "data.csv", "--contract", files / "contract.json"]
    options += ["--group", "sex", "--output", files / "bundle"]
    assert cli.main(["train", *map(str, options)]) == 0
    return files / "bundle"


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return bundle.read(folder).manifest


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with running(folder) as server, httpx.Client(base_url=server.url) as client:
        yield client


def test_it_learns_what_can_be_learned(manifest: Manifest) -> None:
    score = manifest.scores["5-fold"]["stack"]
    assert score.r2 is not None
    assert score.r2 > 0.4
    assert list(manifest.scores) == ["random 80/20", "5-fold"]


def test_its_intervals_hold_their_share_of_each_group(manifest: Manifest) -> None:
    coverage = manifest.intervals.coverage["5-fold"]
    assert list(coverage) == ["all rows", "female", "male"]
    assert all(0.85 <= part.share <= 0.95 for part in coverage.values())


def test_it_is_served_by_its_own_contract(client: httpx.Client, manifest: Manifest) -> None:
    golden = manifest.golden
    answer = client.post("/v1/models/progression:predict", json={"instances": golden.rows})
    assert answer.json() == {
        "predictions": golden.predictions,
        "lower": golden.lower,
        "upper": golden.upper,
        "model_version": manifest.version,
    }
    plain = client.post("/predict", json=golden.rows[0]).json()
    assert plain["predicted_progression"] == golden.predictions[0]
    assert plain["warnings"] == []


def test_a_wrong_value_is_refused_by_its_own_contract(
    client: httpx.Client, manifest: Manifest
) -> None:
    row = manifest.golden.rows[0] | {"sex": "unknown"}
    answer = client.post("/v1/models/progression:predict", json={"instances": [row]})
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        'row 0, column sex: got "unknown", expected one of female, male'
    )


def test_its_bundle_is_verified(folder: Path) -> None:
    assert cli.main(["verify", str(folder)]) == 0


def test_with_times_it_is_tested_by_time_too(tmp_path: Path) -> None:
    lines = [
        f"{day}T{hour:02}:00,{hour},{day.astype(int) % 7 + 2 * hour}"
        for day in np.arange("2024-01-01", "2024-03-10", dtype="datetime64[D]")
        for hour in range(0, 24, 6)
    ]
    (tmp_path / "data.csv").write_text("\n".join(["at,hour,heat", *lines]))
    column = {"name": "hour", "datatype": "INT64", "unit": "h", "description": "", "minimum": 0}
    target = {"name": "heat", "unit": "kWh", "description": ""}
    contract = {"columns": [column], "target": target}
    (tmp_path / "contract.json").write_bytes(msgspec.json.encode(contract))
    options = ["--data", tmp_path / "data.csv", "--contract", tmp_path / "contract.json"]
    options += ["--time", "at", "--name", "heater", "--output", tmp_path / "bundle"]
    assert cli.main(["train", *map(str, options)]) == 0
    manifest = bundle.read(tmp_path / "bundle").manifest
    assert manifest.name == "heater"
    assert list(manifest.scores) == ["random 80/20", "5-fold", "last 20 % by time"]
    assert "error-by-month.png" in manifest.files
    assert list(manifest.intervals.coverage["5-fold"]) == ["all rows"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--contract", "c.json"], "--contract describes the columns of --data"),
        (["--contract", "c.json", "--data", "d", "--track", "raw"], "and no --track"),
        (["--time", "when"], "--time and --group describe another plant's data"),
        (["--group", "line"], "--time and --group describe another plant's data"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--output", str(tmp_path / "b"), *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("group", ["age", "colour"])
def test_a_group_that_has_no_labels_is_refused(
    group: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", files / "data.csv", "--contract", files / "contract.json"]
    options += ["--group", group, "--output", tmp_path / "b"]
    assert cli.main(["train", *map(str, options)]) == 1
    assert (
        f"got the group '{group}', expected a column of datatype BYTES" in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["Energy", "a b", "", "1st"])
def test_a_name_that_fits_no_url_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--name", name])
    assert "expected small letters, digits and _" in capsys.readouterr().err
