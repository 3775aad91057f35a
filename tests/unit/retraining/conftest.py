from collections.abc import Callable
from pathlib import Path

import pytest

from predictor.training.dataset import Dataset
from predictor.training.pipeline import Trained
from tests.plant import KNOWN_ROWS, capture_what_came, trained_on


@pytest.fixture(scope="session")
def history(csv_rows: Callable[[int], bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("history") / "history.csv"
    file.write_bytes(csv_rows(KNOWN_ROWS))
    return file


@pytest.fixture(scope="session")
def served(history: Path) -> Trained:
    return trained_on(history)


@pytest.fixture
def came(dataset: Dataset, trained: Trained, tmp_path: Path) -> Path:
    """Return a folder with the rows that came, and what was used."""
    capture_what_came(tmp_path, trained.manifest, dataset)
    return tmp_path
