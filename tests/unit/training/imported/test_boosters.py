"""XGBoost, LightGBM and CatBoost models, each served as its own library predicts."""

from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost

from predictor import graph
from predictor.training import imported
from tests.unit.training.imported.conftest import TASKS, Make, Task

OBJECTIVES = {
    "xgboost": {
        "regression": ["reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:gamma"],
        "binary": ["binary:logistic"],
        "multiclass": ["multi:softprob", "multi:softmax"],
    },
    "lightgbm": {
        "regression": ["regression", "regression_l1", "poisson", "gamma", "tweedie", "quantile"],
        "binary": ["binary"],
        "multiclass": ["multiclass"],
    },
    "catboost": {
        "regression": ["RMSE", "MAE", "Poisson", "Quantile:alpha=0.3"],
        "binary": ["Logloss", "CrossEntropy"],
        "multiclass": ["MultiClass"],
    },
}
CASES = [
    (library, kind, objective)
    for library, kinds in OBJECTIVES.items()
    for kind, objectives in kinds.items()
    for objective in objectives
]


def fit(task: Task, library: str, objective: str, path: Path, **options: object) -> Path:
    x, y, classes = task.frame, task.target, len(task.classes)
    if library == "xgboost":
        given = {"objective": objective, "max_depth": 4, "num_class": classes if classes > 2 else 0}
        data = xgboost.DMatrix(x, y)
        model = xgboost.train({**given, **options}, data, 25)
        path = path / "model.json"
        model.save_model(path)
    elif library == "lightgbm":
        given = {"objective": objective, "num_class": max(1, classes if classes > 2 else 1)}
        given |= {"verbose": -1, "min_data_in_leaf": 5, "num_leaves": 12}
        path = path / "model.txt"
        lightgbm.train({**given, **options}, lightgbm.Dataset(x, y), 25).save_model(path)
    else:
        given = {"loss_function": objective, "iterations": 25, "logging_level": "Silent"}
        given |= {"allow_writing_files": False, "thread_count": 1}
        path = path / "model.cbm"
        catboost.CatBoost({**given, **options}).fit(x, y).save_model(str(path))
    return path


@pytest.mark.parametrize("holes", [False, True], ids=["whole", "missing values"])
@pytest.mark.parametrize(("library", "kind", "objective"), CASES)
def test_a_booster_is_served_as_its_library_predicts(
    library: str, kind: str, objective: str, tmp_path: Path, make: Make, *, holes: bool
) -> None:
    task = TASKS[kind].with_holes() if holes else TASKS[kind]
    path = fit(task, library, objective, tmp_path)
    optional = [str(task.frame.columns[0]), str(task.frame.columns[2])] if holes else []
    experiment = make(task, library, path.name, optional=optional)
    trained = imported.bundle_of(experiment, tmp_path)
    parity = trained.manifest.parity
    assert parity.rows > 2000
    share = 1e-5 if library == "xgboost" else 1e-14  # the first adds up float32
    assert parity.native <= share * max(1, *trained.manifest.golden.predictions)
    contract = trained.manifest.contract
    rows = np.array(contract.encode_rows(trained.manifest.golden.rows))
    outputs = graph.predict(graph.load(trained.files["model.onnx"]), contract, rows)
    assert not trained.manifest.golden.disagreement(outputs.by_name())
    assert len(np.unique(outputs.values)) > 1
