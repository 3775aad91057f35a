"""Ways in which the three libraries keep trees, or make answers of them, that are not the usual."""

from collections.abc import Callable
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost

from predictor.experiment import Experiment, Input, Output
from predictor.training import imported
from tests.unit.training.imported.conftest import TASKS, Make, Task


def xgboost_of(task: Task, path: Path, rounds: int = 10, **given: object) -> str:
    data = xgboost.DMatrix(task.frame, task.target)
    xgboost.train({"max_depth": 3, **given}, data, rounds).save_model(path / "model.ubj")
    return "model.ubj"


def lightgbm_of(task: Task, path: Path, **given: object) -> str:
    rows = lightgbm.Dataset(task.frame, task.target)
    lightgbm.train({"verbose": -1, **given}, rows, 10).save_model(path / "model.txt")
    return "model.txt"


def catboost_of(task: Task, path: Path, name: str = "model.cbm", **given: object) -> str:
    plain = {"iterations": 10, "logging_level": "Silent", "allow_writing_files": False}
    model = catboost.CatBoost({**plain, **given}).fit(task.frame, task.target)
    model.save_model(str(path / name), format=Path(name).suffix[1:])
    return name


FITS: dict[str, Callable[..., str]] = {
    "xgboost": xgboost_of,
    "lightgbm": lightgbm_of,
    "catboost": catboost_of,
}
VARIANTS = [
    ("xgboost", "regression", {"booster": "dart", "rate_drop": 0.4, "seed": 1}),
    ("xgboost", "binary", {"booster": "dart", "rate_drop": 0.4, "objective": "binary:logistic"}),
    ("xgboost", "regression", {"num_parallel_tree": 4, "subsample": 0.5}),
    ("xgboost", "multiclass", {"objective": "multi:softprob", "num_class": 3, "base_score": 0.3}),
    ("xgboost", "regression", {"base_score": 1000.0}),
    ("xgboost", "binary", {"objective": "reg:logistic", "as numbers": True}),
    ("xgboost", "regression", {"rounds": 1, "max_depth": 1, "gamma": 1e12}),
    ("lightgbm", "regression", {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}),
    ("lightgbm", "regression", {"boosting": "dart"}),
    ("lightgbm", "regression", {"reg_sqrt": True}),
    ("lightgbm", "binary", {"objective": "cross_entropy", "as numbers": True}),
    ("lightgbm", "binary", {"objective": "binary", "sigmoid": 2.5, "is_unbalance": True}),
    ("lightgbm", "regression", {"use_missing": False}),
    ("catboost", "regression", {"grow_policy": "Lossguide"}),
    ("catboost", "multiclass", {"grow_policy": "Depthwise", "loss_function": "MultiClass"}),
    ("catboost", "regression", {"nan_mode": "Max"}),
    ("catboost", "binary", {"loss_function": "Logloss", "name": "model.json"}),
]


@pytest.mark.parametrize(("library", "kind", "given"), VARIANTS, ids=str)
def test_an_unusual_model_is_served_as_its_library_predicts(
    library: str, kind: str, given: dict[str, object], tmp_path: Path, make: Make
) -> None:
    task = TASKS[kind].with_holes()
    options = dict(given)
    if options.pop("as numbers", False):
        task = Task(task.frame, task.target)
    path = FITS[library](task, tmp_path, **options)
    optional = [str(task.frame.columns[0]), str(task.frame.columns[2])]
    made = imported.bundle_of(make(task, library, path, optional=optional), tmp_path).manifest
    share = 1e-5 if library == "xgboost" else 1e-14
    assert made.parity.native <= share * max(1, *made.golden.predictions)


def test_a_model_that_was_stopped_early_predicts_up_to_its_best_round(
    tmp_path: Path, make: Make
) -> None:
    task = TASKS["regression"]
    model = xgboost.XGBRegressor(n_estimators=80, early_stopping_rounds=3, learning_rate=0.5)
    half = len(task.frame) // 2
    model.fit(
        task.frame[:half],
        task.target[:half],
        eval_set=[(task.frame[half:], task.target[half:])],
        verbose=False,
    )
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    model.save_model(tmp_path / "model.json")
    given = make(task, "xgboost", "model.json", rows=len(task.frame))
    golden = imported.bundle_of(given, tmp_path).manifest.golden
    frame = task.frame.iloc[:0]._append(golden.rows)  # type: ignore[operator]
    np.testing.assert_allclose(golden.predictions, model.predict(frame), rtol=1e-5)


def test_codes_whole_numbers_and_booleans_are_features_as_they_stand(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    rows = np.column_stack([generator.integers(0, high, 200) for high in (3, 10, 2)])
    target = rows[:, 0] * 10 + rows[:, 1] - 5 * rows[:, 2]
    given = {"verbose": -1, "min_data_in_leaf": 2}
    data = lightgbm.Dataset(rows.astype(float), target)
    lightgbm.train(given, data, 30).save_model(tmp_path / "model.txt")
    lines = [f"{'abc'[a]},{b},{bool(c)}" for a, b, c in rows.tolist()]
    (tmp_path / "rows.csv").write_text("\n".join(["line,count,open", *lines]))
    experiment = Experiment(
        name="made",
        model_path="model.txt",
        model_type="lightgbm",
        input_schema={
            "line": Input(type="category", categories=("a", "b", "c")),
            "count": Input(type="integer", minimum=0, maximum=9),
            "open": Input(type="boolean"),
        },
        target=Output(name="heat"),
        examples="rows.csv",
    )
    golden = imported.bundle_of(experiment, tmp_path).manifest.golden
    for row, found in zip(golden.rows, golden.predictions, strict=True):
        expected = (
            10 * "abc".index(str(row["line"])) + int(row["count"] or 0) - 5 * bool(row["open"])
        )
        assert abs(found - expected) < 2
