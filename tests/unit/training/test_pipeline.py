import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Contract
from predictor.errors import ParityError
from predictor.training import pipeline
from predictor.training.dataset import Dataset
from predictor.training.features import compute
from predictor.training.scores import score

Trained = tuple[bundle.Manifest, bytes]


@pytest.fixture
def month(dataset: Dataset) -> Dataset:
    return Dataset("month.csv", "0", dataset.columns[:3000], dataset.target[:3000])


def train(data: Dataset, contract: Contract, seed: int = 42) -> Trained:
    return pipeline.train(data, pipeline.Plan(contract, seed, trees=3), lambda _: None)


def test_both_splits_are_scored_about_as_well_as_the_middle_of_the_interval(
    trained: Trained, dataset: Dataset, contract: Contract
) -> None:
    scores = trained[0].scores
    assert list(scores) == ["random 80/20", "last 20 % by time"]
    middle = compute(dataset.columns, contract).middle
    for name, found in scores.items():
        _, tested = pipeline.SPLITS[name](len(middle), 42)
        without_training = score(dataset.target[tested], middle[tested])
        assert found.rows == 7008
        assert found.rmse < 1.15 * without_training.rmse < 0.1
        assert 0 < found.mae < found.rmse


def test_training_twice_gives_the_same_bytes(
    month: Dataset, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")
    first, second = train(month, contract), train(month, contract)
    assert first == second
    assert first[0].created == "2017-07-14T02:40:00+00:00"


def test_another_seed_gives_another_version(month: Dataset, contract: Contract) -> None:
    versions = {train(month, contract, seed)[0].version for seed in (1, 2)}
    assert len(versions) == 2


def test_the_manifest_tells_what_the_bundle_came_from(trained: Trained) -> None:
    manifest, _ = trained
    assert manifest.data.rows == 35_040
    assert list(manifest.boosters) == ["xgboost", "lightgbm", "catboost"]
    assert all(booster.trees == 10 for booster in manifest.boosters.values())
    assert {"python", "xgboost", "onnxruntime"} <= manifest.versions.keys()
    assert 0 <= manifest.parity <= pipeline.PARITY_TOLERANCE


def test_golden_rows_are_what_a_client_sends(trained: Trained, dataset: Dataset) -> None:
    golden = trained[0].golden
    assert len(golden.rows) == len(golden.predictions) == 32
    assert {type(row["load_type"]) for row in golden.rows} == {str}
    assert {type(row["nsm"]) for row in golden.rows} == {int}
    assert np.max(golden.predictions) <= np.max(dataset.target) + 1


def test_a_graph_that_differs_from_the_libraries_is_refused() -> None:
    native = np.array([1.0, 2.0, 3.0])
    with pytest.raises(ParityError, match=r"row 1: .* 2\.0, apart by 0\.001"):
        pipeline.check_parity(native + np.array([0, 0.001, 0]), native)
    with pytest.raises(ParityError, match="row 2"):
        pipeline.check_parity(native * [1, 1, np.nan], native)


def test_every_fit_of_training_is_a_step(month: Dataset, contract: Contract) -> None:
    seen: list[str] = []
    pipeline.train(month, pipeline.Plan(contract, seed=0, trees=2), seen.append)
    assert len(seen) == pipeline.steps()
    assert len(set(seen)) == len(seen)
