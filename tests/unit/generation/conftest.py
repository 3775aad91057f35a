import json
from pathlib import Path

import pytest

from predictor import bundle, experiment
from predictor.generation.settings import VARIABLES
from predictor.training.pipeline import Trained


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def experiment_path(trained: Trained, tmp_path: Path) -> Path:
    """Return the manifest of an experiment, beside which its bundle lies."""
    folder = tmp_path / "handed-over"
    bundle.write(folder / "bundle", trained.manifest, trained.files)
    experiment.write(folder / experiment.FILE, experiment.of_bundle(trained.manifest, "bundle"))
    return folder / experiment.FILE


def change(path: Path, **fields: object) -> None:
    """Change fields of an experiment's manifest; what is None is left out."""
    content = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps({name: v for name, v in content.items() if v is not None}))
