from dataclasses import replace

import numpy as np
import pytest

from predictor import bundle, graph
from predictor.contract import Contract
from predictor.errors import DataError
from predictor.profiling import profile_of
from predictor.training import evaluation, pipeline
from predictor.training.dataset import Dataset
from predictor.training.pipeline import Plan, Trained
from predictor.training.tracks import ANCHORED, NO_LEAK, RAW, Track
from tests.conftest import small


def train(data: Dataset, track: Track, seed: int = 42, trials: int = 0) -> Trained:
    plan = Plan(small(track, 2, 3), seed, tuning_trials=trials)
    return pipeline.train(data, plan, lambda _: None)


def test_every_protocol_is_scored_about_as_well_as_the_physics_alone(trained: Trained) -> None:
    scores = trained.manifest.scores
    rows = {name: found["stack"].rows for name, found in scores.items()}
    assert rows == {
        "random 80/20": 7008,
        "5-fold": 35_040,
        "last 20 % by time": 7008,
        "rolling two months": 29_376,
    }
    for found in scores.values():
        assert found["stack"].rmse < 1.05 * found["physics alone"].rmse < 0.1
        assert 0 < found["stack"].mae < found["stack"].rmse


def test_single_boosters_and_their_mean_are_scored_beside_the_stack(trained: Trained) -> None:
    models = ["stack", "xgboost", "lightgbm", "catboost", "mean of the three", "physics alone"]
    assert {tuple(found) for found in trained.manifest.scores.values()} == {tuple(models)}


def test_intervals_hold_their_share_of_each_load_type_and_of_hard_rows(trained: Trained) -> None:
    coverage = trained.manifest.intervals.coverage
    for name in ("random 80/20", "5-fold", "last 20 % by time"):
        for load in ("Light", "Medium", "Maximum"):
            assert 0.88 <= coverage[name][load].share <= 0.93
    hard = coverage["5-fold"]["hard rows"]
    assert hard.rows == 252
    assert hard.share > 0.85


def test_training_twice_gives_the_same_bytes(
    month: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")
    first, second = train(month, ANCHORED), train(month, ANCHORED)
    assert first == second
    assert first.manifest.created == "2017-07-14T02:40:00+00:00"


def test_another_seed_gives_another_version(month: Dataset) -> None:
    versions = {train(month, ANCHORED, seed).manifest.version for seed in (1, 2)}
    assert len(versions) == 2


def test_the_manifest_tells_what_the_bundle_came_from(trained: Trained) -> None:
    manifest = trained.manifest
    assert (manifest.track, manifest.data.rows, manifest.tuning_trials) == ("anchored", 35_040, 0)
    assert list(manifest.boosters) == ["xgboost", "lightgbm", "catboost"]
    for booster in manifest.boosters.values():
        assert booster.trees in booster.rmse_by_trees
        assert list(booster.rmse_by_trees) == [5, 10]
        assert all(0.05 < rmse < 0.08 for rmse in booster.rmse_by_trees.values())
    assert {"python", "xgboost", "onnxruntime"} <= manifest.versions.keys()
    assert manifest.parity.rows == 35_040
    assert 0 <= manifest.parity.float64 <= 1e-9
    assert 0 <= manifest.parity.native <= manifest.parity.tolerance < 1e-5


def test_golden_rows_are_what_a_client_sends(trained: Trained, dataset: Dataset) -> None:
    golden = trained.manifest.golden
    assert len(golden.rows) == len(golden.predictions) == len(golden.native) == 32
    assert {type(row["load_type"]) for row in golden.rows} == {str}
    assert {type(row["nsm"]) for row in golden.rows} == {int}
    assert np.max(golden.predictions) <= np.max(dataset.target) + 1
    ends = zip(golden.lower, golden.predictions, golden.upper, strict=True)
    assert all(low <= value <= high for low, value, high in ends)


def test_every_fit_of_training_is_a_step(month: Dataset) -> None:
    seen: list[str] = []
    plan = Plan(small(ANCHORED, 2), seed=0)
    pipeline.train(month, plan, seen.append)
    assert len(seen) == pipeline.steps(month, plan)


def test_rows_without_days_are_not_split_by_time(month: Dataset) -> None:
    timeless = replace(month, days=None)
    assert list(evaluation.protocols(timeless, 0)) == ["random 80/20", "5-fold"]
    assert list(train(timeless, ANCHORED).manifest.scores) == ["random 80/20", "5-fold"]


def test_the_raw_track_learns_from_the_published_columns_without_physics(month: Dataset) -> None:
    manifest = train(month, RAW).manifest
    assert manifest.contract.columns == ANCHORED.contract.columns
    assert "physics alone" not in manifest.scores["5-fold"]
    assert [w.name for w in manifest.contract.warnings] == [
        "inconsistent_power_factors",
        "fractional_power_factor",
    ]


def test_the_track_without_leaks_takes_nothing_that_is_computed_from_the_target(
    month: Dataset, dataset: Dataset
) -> None:
    names = NO_LEAK.contract.names
    kept = [ANCHORED.contract.names.index(name) for name in names]
    manifest = train(replace(month, columns=dataset.columns[:3000, kept]), NO_LEAK).manifest
    assert manifest.contract.names == (
        "lagging_reactive_power",
        "leading_reactive_power",
        "nsm",
        "day_of_week",
        "load_type",
    )
    assert manifest.contract.warnings == ()
    assert "hard rows" not in manifest.intervals.coverage["5-fold"]


def test_a_load_that_the_data_lack_is_answered_all_the_same(month: Dataset) -> None:
    heavy = ANCHORED.contract.names.index("load_type")
    light = month.take(np.flatnonzero(month.columns[:, heavy] < 2))
    found = train(light, ANCHORED)
    row = found.manifest.golden.rows[0] | {"load_type": "Maximum"}
    columns = np.array(ANCHORED.contract.encode_rows([row]))
    session = graph.load(found.files["model.onnx"])
    values, lower, upper, *_ = graph.predict(session, ANCHORED.contract, columns)
    assert lower[0] <= values[0] <= upper[0]


def test_a_load_that_only_some_folds_have_is_no_obstacle(month: Dataset) -> None:
    columns = month.columns.copy()
    columns[:, ANCHORED.contract.names.index("load_type")] = 0
    columns[-1, ANCHORED.contract.names.index("load_type")] = 2
    assert train(replace(month, columns=columns), ANCHORED).manifest.scores


def test_rows_that_are_not_fitted_on_have_no_part_in_the_errors_by_size(month: Dataset) -> None:
    columns = month.columns.copy()
    columns[:20, :5] = [3, 1e6, 0, 80, 90]  # a gigawatt-hour apart
    manifest = train(replace(month, columns=columns), ANCHORED).manifest
    for booster in manifest.boosters.values():
        assert all(rmse < 1 for rmse in booster.rmse_by_trees.values())


def test_data_whose_power_factors_limit_nothing_are_refused(month: Dataset) -> None:
    columns = month.columns.copy()
    columns[:, 3:5] = 100
    with pytest.raises(DataError, match=r"month|steel.*limit the target of 0 rows"):
        train(replace(month, columns=columns), ANCHORED)


def test_wide_intervals_are_no_reason_to_refuse_a_right_graph(
    generator: np.random.Generator,
) -> None:
    """A plant that compensates its reactive power: factors near 100 %, limits far apart."""
    count = 1000
    energy = generator.uniform(100, 1000, count)
    reactive = energy * generator.uniform(0.008, 0.02, (2, count))
    factors = np.round(100 * energy / np.hypot(energy, reactive), 2)
    rest = [np.zeros(count), *factors, np.arange(count) % 96 * 900.0]
    rest += [generator.integers(0, 7, count).astype(float), generator.integers(0, 3, count)]
    data = Dataset("made.csv", "0", np.column_stack([*reactive, *rest]), energy)
    found = pipeline.train(data, Plan(small(ANCHORED, 130), seed=0), lambda _: None)
    assert 3e-4 < found.manifest.parity.tolerance < 1e-3


def test_what_the_features_know_nothing_of_or_contradict_weighs_nothing(month: Dataset) -> None:
    columns = month.columns.copy()
    columns[7, 3:5] = 100
    columns[8, :5] = [3, 10, 0, 80, 90]
    problem = pipeline.problem_of(replace(month, columns=columns), ANCHORED)
    assert not problem.found.known[7]
    assert not problem.found.sound[8]
    for row in (7, 8):
        assert problem.sample.weight[row] == problem.sample.target[row] == 0
    assert problem.sample.weight.mean() == pytest.approx(1)


@pytest.mark.parametrize("seed", [1, 42])
def test_tuned_parameters_are_no_worse_on_the_folds_and_said_to_be_tuned(
    month: Dataset, seed: int
) -> None:
    plain = train(month, NO_LEAK_OF_ALL, seed)
    tuned = train(month, NO_LEAK_OF_ALL, seed, trials=3)
    for name, booster in tuned.manifest.boosters.items():
        before = plain.manifest.boosters[name].rmse_by_trees
        assert min(booster.rmse_by_trees.values()) <= min(before.values())
    assert tuned.manifest.tuning_trials == 3
    assert "best of 3 trials" in tuned.files["model-card.md"].decode()
    plan = Plan(small(NO_LEAK_OF_ALL, 2, 3), 42, tuning_trials=3)
    assert pipeline.steps(month, plan) == pipeline.steps(month, replace(plan, tuning_trials=0)) + 9


NO_LEAK_OF_ALL = replace(RAW, recipes=NO_LEAK.recipes)


def test_the_profile_is_of_the_columns_and_of_what_is_served(
    trained: Trained, dataset: Dataset, contract: Contract
) -> None:
    model = graph.load(trained.files[bundle.MODEL])
    served = graph.predict(model, contract, dataset.columns)[0]
    assert trained.manifest.profile == profile_of(contract, dataset.columns, served)
