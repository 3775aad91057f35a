"""scikit-learn's models and pipelines, each served as it predicts itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn import ensemble, linear_model, preprocessing, tree
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from predictor.errors import ExperimentError
from predictor.experiment import Experiment, Input, Output
from predictor.training import imported
from predictor.training.pipeline import Trained
from tests.unit.training.imported.conftest import TASKS, Make


def dump(model: BaseEstimator, folder: Path) -> tuple[str, ...]:
    """Write a model, and return the types in it that its team has to say it trusts."""
    path = folder / "model.skops"
    skops.io.dump(model, path)
    return tuple(skops.io.get_untrusted_types(file=path))


SMALL = {"n_estimators": 12, "max_depth": 5, "random_state": 0}
NUMBERS = {
    "regression": [
        linear_model.LinearRegression(),
        linear_model.ElasticNet(alpha=0.01),
        tree.DecisionTreeRegressor(max_depth=6),
        ensemble.RandomForestRegressor(**SMALL),
        ensemble.ExtraTreesRegressor(**SMALL),
        ensemble.GradientBoostingRegressor(**SMALL),
        ensemble.HistGradientBoostingRegressor(max_iter=12),
        ensemble.HistGradientBoostingRegressor(max_iter=12, loss="poisson"),
        make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()),
        make_pipeline(preprocessing.StandardScaler(), ensemble.RandomForestRegressor(**SMALL)),
        ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())]),
    ],
    "binary": [
        make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
        tree.DecisionTreeClassifier(max_depth=6),
        ensemble.RandomForestClassifier(**SMALL),
        ensemble.GradientBoostingClassifier(**SMALL),
        ensemble.GradientBoostingClassifier(**SMALL, loss="exponential"),
        ensemble.HistGradientBoostingClassifier(max_iter=12),
    ],
    "multiclass": [
        make_pipeline(preprocessing.MinMaxScaler(), linear_model.LogisticRegression()),
        ensemble.RandomForestClassifier(**SMALL),
        ensemble.ExtraTreesClassifier(**SMALL),
        ensemble.GradientBoostingClassifier(**SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=12),
    ],
}
CASES = [(kind, model) for kind, models in NUMBERS.items() for model in models]


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_a_model_of_numbers_is_served_as_it_predicts(
    kind: str, model: BaseEstimator, tmp_path: Path, make: Make
) -> None:
    task = TASKS[kind]
    trusted = dump(model.fit(task.frame, task.target), tmp_path)
    trained = imported.bundle_of(make(task, "sklearn", "model.skops", trusted=trusted), tmp_path)
    assert trained.manifest.parity.native < 1e-12


TOLERANT = {
    "regression": [ensemble.RandomForestRegressor, ensemble.HistGradientBoostingRegressor],
    "binary": [ensemble.RandomForestClassifier, ensemble.HistGradientBoostingClassifier],
    "multiclass": [ensemble.ExtraTreesClassifier, ensemble.HistGradientBoostingClassifier],
}


@pytest.mark.parametrize(
    ("kind", "model"),
    [(kind, model(random_state=0)) for kind, models in TOLERANT.items() for model in models],
)
def test_trees_take_missing_values_as_scikit_learn_does(
    kind: str, model: BaseEstimator, tmp_path: Path, make: Make
) -> None:
    task = TASKS[kind].with_holes()
    trusted = dump(model.fit(task.frame, task.target), tmp_path)
    optional = [task.frame.columns[0], task.frame.columns[2]]
    trained = imported.bundle_of(
        make(task, "sklearn", "model.skops", optional=optional, trusted=trusted), tmp_path
    )
    assert trained.manifest.parity.native < 1e-12


def mixed(missing: object) -> tuple[pd.DataFrame, pd.Series]:
    """Return the breast cancer data with texts, whole numbers and booleans made of columns."""
    task = TASKS["binary"]
    frame = task.frame.iloc[:, :3].copy()
    frame["grade"] = np.select(
        [task.frame.iloc[:, 3] > 700, task.frame.iloc[:, 4] > 0.1], ["high", "rough"], "low"
    )
    frame["grade"] = frame["grade"].astype(object)
    frame["count"] = (task.frame.iloc[:, 2] // 20).astype(int)
    frame.iloc[::7, 0] = np.nan
    grades = [missing if n % 9 == 0 else text for n, text in enumerate(frame["grade"])]
    frame["grade"] = pd.Series(grades, frame.index, dtype=object)
    return frame, task.target


def prepared(*, imputes: bool, missing: object = np.nan) -> ColumnTransformer:
    texts = preprocessing.OneHotEncoder(handle_unknown="ignore")
    if imputes:
        texts = make_pipeline(
            SimpleImputer(missing_values=missing, strategy="most_frequent"), texts
        )
    numbers = make_pipeline(SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["mean_radius", "mean_texture", "mean_perimeter"]),
            ("texts", texts, ["grade"]),
            ("rest", "passthrough", ["count"]),
        ]
    )


@pytest.mark.parametrize("missing", [np.nan, None], ids=["NaN", "None"])
@pytest.mark.parametrize("imputes", [True, False], ids=["imputed", "a category"])
@pytest.mark.parametrize(
    "final",
    [
        linear_model.LogisticRegression(max_iter=1000),
        ensemble.RandomForestClassifier(**SMALL),
        ensemble.GradientBoostingClassifier(**SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=12),
    ],
)
def test_a_pipeline_of_texts_and_missing_values_is_served_as_it_predicts(
    final: BaseEstimator, tmp_path: Path, *, imputes: bool, missing: object
) -> None:
    frame, target = mixed(missing)
    model = make_pipeline(prepared(imputes=imputes, missing=missing), final).fit(frame, target)
    trained = bundle_of_mixed(model, frame, target, tmp_path)
    assert trained.manifest.parity.native < 1e-14
    assert any(row["grade"] is None for row in trained.manifest.golden.rows)


ENCODERS = [
    preprocessing.OrdinalEncoder(),
    preprocessing.OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    ),
    preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    preprocessing.OneHotEncoder(sparse_output=False, min_frequency=30),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_texts_are_encoded_as_scikit_learn_does(encoder: BaseEstimator, tmp_path: Path) -> None:
    frame, target = mixed(np.nan)
    numbers = [name for name in frame if name != "grade"]
    first = ColumnTransformer([("a", "passthrough", numbers), ("b", encoder, ["grade"])])
    final = ensemble.HistGradientBoostingClassifier(max_iter=12)
    model = make_pipeline(first, final).fit(frame, target)
    trained = bundle_of_mixed(model, frame, target, tmp_path)
    assert trained.manifest.parity.native < 1e-14


def test_a_whole_number_may_be_a_category_too(tmp_path: Path) -> None:
    frame, target = mixed(np.nan)
    whole = preprocessing.OneHotEncoder(handle_unknown="ignore")
    first = ColumnTransformer(
        [("all", prepared(imputes=True), list(frame)), ("c", whole, ["count"])]
    )
    model = make_pipeline(first, linear_model.LogisticRegression(max_iter=2000)).fit(frame, target)
    trained = bundle_of_mixed(model, frame, target, tmp_path)
    assert trained.manifest.parity.native < 1e-13


@pytest.mark.parametrize("given", [{"add_indicator": True}, {"missing_values": -1}], ids=str)
def test_imputers_that_are_not_served_are_refused(given: dict[str, object], tmp_path: Path) -> None:
    frame, target = mixed(np.nan)
    whole = ["mean_texture", "mean_perimeter"]
    first = ColumnTransformer([("a", SimpleImputer(**given), whole)])
    final = ensemble.HistGradientBoostingClassifier(max_iter=2)
    model = make_pipeline(first, final).fit(frame, target)
    with pytest.raises(ExperimentError, match=r"a SimpleImputer .* is not supported: "):
        bundle_of_mixed(model, frame, target, tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        ensemble.RandomForestClassifier(**SMALL),
        make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    ],
)
def test_a_model_that_was_fitted_on_an_array_is_fed_in_the_order_of_the_schema(
    model: BaseEstimator, tmp_path: Path, make: Make
) -> None:
    task = TASKS["multiclass"]
    trusted = dump(model.fit(task.frame.to_numpy(), task.target), tmp_path)
    trained = imported.bundle_of(make(task, "sklearn", "model.skops", trusted=trusted), tmp_path)
    assert trained.manifest.parity.native < 1e-14


def bundle_of_mixed(
    model: BaseEstimator, frame: pd.DataFrame, target: pd.Series, folder: Path
) -> Trained:
    trusted = dump(model, folder)
    frame.assign(found=target.map({0: "bad", 1: "good"})).to_csv(folder / "rows.csv", index=False)
    experiment = Experiment(
        name="cells",
        model_path="model.skops",
        model_type="sklearn",
        input_schema={
            "mean_radius": Input(type="number", optional=True, minimum=0),
            "mean_texture": Input(type="number", minimum=0),
            "mean_perimeter": Input(type="number", minimum=0),
            "grade": Input(type="category", categories=("low", "rough", "high"), optional=True),
            "count": Input(type="integer", minimum=0, maximum=12),
        },
        target=Output(name="found", classes=("bad", "good")),
        examples="rows.csv",
        trusted_types=trusted,
        created="2026-01-02T03:04:05+00:00",
    )
    return imported.bundle_of(experiment, folder)
