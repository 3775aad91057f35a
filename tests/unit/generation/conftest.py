import json
from pathlib import Path

import msgspec
import pytest

from predictor import bundle, experiment
from predictor.contract import Column
from predictor.experiment import Experiment, Input, Output
from predictor.generation.settings import VARIABLES
from predictor.training.pipeline import Trained

TYPES = {"FP64": "number", "INT64": "integer", "BYTES": "category"}


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def described(column: Column) -> Input:
    return msgspec.convert({"type": TYPES[column.datatype]}, Input)


@pytest.fixture
def experiment_path(trained: Trained, tmp_path: Path) -> Path:
    """Return the manifest of an experiment, beside which its bundle lies."""
    folder = tmp_path / "handed-over"
    bundle.write(folder / "bundle", trained.manifest, trained.files)
    contract = trained.manifest.contract
    found = Experiment(
        name="steel",
        model_path="bundle",
        model_type="bundle",
        input_schema={column.name: described(column) for column in contract.columns},
        target=Output(name=contract.target.name),
    )
    (folder / experiment.FILE).write_bytes(msgspec.json.encode(found))
    return folder / experiment.FILE


def change(path: Path, **fields: object) -> None:
    """Change fields of an experiment's manifest; what is None is left out."""
    content = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps({name: v for name, v in content.items() if v is not None}))
