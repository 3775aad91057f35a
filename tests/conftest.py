"""What several folders of tests share: one bundle, trained for real but with few trees."""

import gzip
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Contract, Row
from predictor.training import pipeline
from predictor.training.dataset import PACKAGED, Dataset, load
from predictor.training.ensemble.boosters import Recipe
from predictor.training.pipeline import Trained
from predictor.training.tracks import ANCHORED, Track

# The first row of the data, as the README sends it.
ROW: Row = {
    "lagging_reactive_power": 2.95,
    "leading_reactive_power": 0,
    "co2": 0,
    "lagging_power_factor": 73.21,
    "leading_power_factor": 100,
    "nsm": 900,
    "day_of_week": "Monday",
    "load_type": "Light",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the long form of tests that have one")
    parser.addoption("--prefect", help="the command of a Prefect that can be a server")
    parser.addoption("--versitygw", help="the program of a server of S3")


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def long_form(request: pytest.FixtureRequest) -> None:
    """Skip a test unless the long form is wanted."""
    if not request.config.getoption("--long"):
        pytest.skip("only in the long form")


@pytest.fixture(scope="session")
def prefect(pytestconfig: pytest.Config) -> Path:
    """Return the command of a Prefect that can be a server."""
    found = pytestconfig.getoption("--prefect")
    assert found, "give --prefect, as the Makefile does"
    return Path(found).absolute()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return what prints a figure that depends on speed, which is for a report."""

    def say(figure: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{figure}")

    return say


def small(track: Track, *sizes: int) -> Track:
    """Return a track with fewer trees, to be fitted in a moment."""
    recipes = {name: Recipe(r.parameters, sizes) for name, r in track.recipes.items()}
    return replace(track, recipes=recipes)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return ANCHORED.contract


@pytest.fixture(scope="session")
def dataset(contract: Contract) -> Dataset:
    return load(contract)


@pytest.fixture(scope="session")
def month(dataset: Dataset) -> Dataset:
    """Return the first 3,000 rows, which hold every load type."""
    return dataset.take(np.arange(3000))


@pytest.fixture(scope="session")
def rows(month: Dataset, contract: Contract) -> list[dict[str, Any]]:
    """Return rows as a file may have them: jittered, with an id and a note that only a text is."""
    generator = np.random.default_rng(3)
    columns = month.columns[:600].copy()
    columns[:, :3] *= generator.uniform(0.9, 1.1, (len(columns), 3))
    names = contract.names
    return [
        {
            name: column.decode(value)
            for name, column, value in zip(names, contract.columns, row, strict=True)
        }
        | {"id": number, "note": f'a "{number}", b' if number % 7 == 0 else "é"}
        for number, row in enumerate(columns.tolist())
    ]


@pytest.fixture(scope="session")
def csv_rows() -> Callable[[int], bytes]:
    """Return what gives the header of the data set and its first rows."""
    packed = resources.files("predictor.training").joinpath("data", PACKAGED).read_bytes()
    lines = gzip.decompress(packed).splitlines(keepends=True)
    return lambda rows: b"".join(lines[: rows + 1])


@pytest.fixture(scope="session")
def csv_lines(csv_rows: Callable[[int], bytes]) -> list[bytes]:
    """Return the header of the data set and its first 400 rows."""
    return csv_rows(400).splitlines(keepends=True)


@pytest.fixture(scope="session")
def trained(dataset: Dataset) -> Trained:
    return pipeline.train(dataset, pipeline.Plan(small(ANCHORED, 5, 10), seed=42), lambda _: None)


@pytest.fixture(scope="session")
def bundle_folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    bundle.write(folder, trained.manifest, trained.files)
    return folder


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def row() -> Row:
    """Return the first row of the data, as the README sends it."""
    return dict(ROW)
