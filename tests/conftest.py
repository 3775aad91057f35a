"""What several folders of tests share: one bundle, trained for real but with few trees."""

import gzip
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Contract, Row
from predictor.training import pipeline
from predictor.training.columns import CONTRACT
from predictor.training.dataset import PACKAGED, Dataset, load

FEW_TREES = 10


@pytest.fixture(scope="session")
def contract() -> Contract:
    return CONTRACT


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return load(CONTRACT)


@pytest.fixture(scope="session")
def csv_lines() -> list[bytes]:
    """Return the header of the data set and its first 400 rows."""
    packed = resources.files("predictor.training").joinpath("data", PACKAGED).read_bytes()
    return gzip.decompress(packed).splitlines(keepends=True)[:401]


@pytest.fixture(scope="session")
def trained(dataset: Dataset) -> tuple[bundle.Manifest, bytes]:
    return pipeline.train(
        dataset, pipeline.Plan(CONTRACT, seed=42, trees=FEW_TREES), lambda _: None
    )


@pytest.fixture(scope="session")
def bundle_folder(
    trained: tuple[bundle.Manifest, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    bundle.write(folder, *trained)
    return folder


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def row() -> Row:
    """Return the first row of the data, as the README sends it."""
    return {
        "lagging_reactive_power": 2.95,
        "leading_reactive_power": 0,
        "co2": 0,
        "lagging_power_factor": 73.21,
        "leading_power_factor": 100,
        "nsm": 900,
        "day_of_week": "Monday",
        "load_type": "Light",
    }
