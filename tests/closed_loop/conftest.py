from collections.abc import Callable
from pathlib import Path

import pytest

from predictor.training.dataset import Dataset
from predictor.training.pipeline import Trained
from tests.plant import KNOWN_ROWS, capture_what_came, trained_on


@pytest.fixture(scope="module")
def history(csv_rows: Callable[[int], bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("history") / "history.csv"
    file.write_bytes(csv_rows(KNOWN_ROWS))
    return file


@pytest.fixture(scope="module")
def served(history: Path) -> Trained:
    return trained_on(history)


@pytest.fixture(scope="module")
def came(dataset: Dataset, served: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the rows that came, and what was used."""
    folder = tmp_path_factory.mktemp("came")
    capture_what_came(folder, served.manifest, dataset)
    return folder
