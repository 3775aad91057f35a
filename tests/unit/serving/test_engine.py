from pathlib import Path

import msgspec
import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Contract
from predictor.errors import BundleError
from predictor.serving.decoding.batch import Batch, encode
from predictor.serving.engine import Engine
from predictor.training.dataset import Dataset


@pytest.fixture(scope="module")
def read(bundle_folder: Path) -> bundle.Bundle:
    return bundle.read(bundle_folder)


@pytest.fixture(scope="module")
def engine(read: bundle.Bundle) -> Engine:
    return Engine(read)


def test_golden_rows_are_predicted_as_at_training(engine: Engine) -> None:
    golden = engine.manifest.golden
    batch = encode(engine.manifest.contract, golden.rows, 100)
    np.testing.assert_allclose(engine.predict(batch).values, golden.predictions, atol=1e-12)


def test_a_row_has_the_same_answer_alone_and_among_others(engine: Engine, dataset: Dataset) -> None:
    together = engine.predict(Batch(dataset.columns[:100])).values
    alone = [engine.predict(Batch(dataset.columns[i : i + 1])).values[0] for i in range(100)]
    np.testing.assert_array_equal(together, alone)


def test_no_row_that_the_contract_allows_has_an_answer_that_is_no_number(
    engine: Engine, contract: Contract
) -> None:
    highest = [column.maximum if column.datatype != "BYTES" else 2 for column in contract.columns]
    lowest = [column.minimum if column.datatype != "BYTES" else 0 for column in contract.columns]
    values = engine.predict(Batch(np.array([highest, lowest], np.float64))).values
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("end", ["predictions", "lower", "upper"])
def test_a_bundle_whose_golden_rows_disagree_is_refused(read: bundle.Bundle, end: str) -> None:
    golden = read.manifest.golden
    moved = [*getattr(golden, end)[:-1], getattr(golden, end)[-1] + 1e-6]
    manifest = msgspec.structs.replace(
        read.manifest, golden=msgspec.structs.replace(golden, **{end: moved})
    )
    with pytest.raises(BundleError, match="golden row 31 is"):
        Engine(bundle.Bundle(read.folder, manifest, read.model))


def test_a_golden_row_that_the_contract_forbids_is_refused(read: bundle.Bundle) -> None:
    golden = bundle.Golden([{"co2": -1}], [0.0], [0.0], [0.0], [0.0])
    manifest = msgspec.structs.replace(read.manifest, golden=golden)
    with pytest.raises(BundleError, match="cannot be run: row 0"):
        Engine(bundle.Bundle(read.folder, manifest, read.model))


def test_a_graph_that_is_none_is_refused(read: bundle.Bundle) -> None:
    with pytest.raises(BundleError, match="cannot be run"):
        Engine(bundle.Bundle(read.folder, read.manifest, b"not a graph"))
