"""What cannot become a bundle: each said in a sentence that names the field and what to do."""

import re
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import msgspec
import numpy as np
import onnx
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.svm import LinearSVC

from predictor.errors import DataError, ExperimentError, ParityError
from predictor.experiment import Experiment, Input, Output
from predictor.training import imported
from predictor.training.imported import examples, gate, schema
from predictor.training.imported.model import Answer, Model, of_numbers
from predictor.training.imported.readers import lightgbm_file, xgboost_file
from tests.unit.training.imported.conftest import TASKS, Make

NUMBER = Input(type="number")
PLAIN = Experiment(
    name="m",
    model_path="model.json",
    model_type="xgboost",
    input_schema={"a": NUMBER},
    target=Output(name="y"),
    examples="rows.csv",
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Input(type="category"), "a category has no categories"),
        (Input(type="number", categories=("x",)), "a number has categories"),
        (Input(type="category", categories=("x",), minimum=0), "a category has a minimum"),
        (Input(type="boolean", maximum=1), "a boolean has a minimum or maximum"),
        (Input(type="number", minimum=2, maximum=1), "minimum 2 is over maximum 1"),
        (Input(type="category", categories=("x", "x")), "listed twice"),
    ],
)
def test_an_input_that_contradicts_itself_is_refused_by_its_name(given: Input, said: str) -> None:
    experiment = msgspec.structs.replace(PLAIN, input_schema={"flow": given})
    with pytest.raises(ExperimentError, match=rf"input_schema\.flow: .*{said}"):
        schema.contract_of(experiment)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Output(name="y", classes=("a", "b"), minimum=0), "a class has a minimum"),
        (Output(name="y", classes=("a",)), "expected two or more"),
        (Output(name="y", minimum=2, maximum=1), "minimum 2 is over maximum 1"),
        (Output(name="a"), "the name a stands for two things"),
    ],
)
def test_a_target_that_contradicts_itself_is_refused(target: Output, said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        schema.contract_of(msgspec.structs.replace(PLAIN, target=target))


def test_the_types_of_a_schema_are_those_of_the_contract() -> None:
    inputs = {
        "a": Input(type="number", minimum=1, unit="kW", optional=True),
        "b": Input(type="integer", maximum=9),
        "c": Input(type="boolean"),
        "d": Input(type="category", categories=("x", "y")),
    }
    contract = schema.contract_of(msgspec.structs.replace(PLAIN, input_schema=inputs))
    assert [column.datatype for column in contract.columns] == ["FP64", "INT64", "INT64", "BYTES"]
    rows = contract.encode_rows([{"a": None, "b": 9, "c": "true", "d": "y"}])
    assert np.array_equal(rows, [[np.nan, 9, 1, 1]], equal_nan=True)
    assert contract.outputs == ["y"]


def regression(make: Make, folder: Path, **changes: object) -> Experiment:
    """Return an experiment of an XGBoost model, with some of it changed."""
    task = TASKS["regression"]
    data = xgboost.DMatrix(task.frame, task.target)
    xgboost.train({"max_depth": 3}, data, 3).save_model(folder / "model.json")
    experiment = make(task, "xgboost", "model.json")
    return msgspec.structs.replace(experiment, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_path": "gone.json"}, "model_path: there is nothing at .*gone.json"),
        ({"model_path": "examples.csv"}, "no model of XGBoost .*save_model"),
        ({"model_type": "lightgbm"}, "no model of LightGBM .*save_model"),
        ({"model_type": "catboost"}, "no model of CatBoost .*save_model"),
        ({"model_type": "sklearn"}, "no file of skops"),
        ({"model_type": "onnx"}, "no ONNX model"),
        ({"examples": ""}, "no examples: name a CSV file"),
        ({"examples": "a\0b"}, r"examples: '.*a\\x00b' is no path .*, expected that of a CSV file"),
        ({"examples": "gone.csv"}, "examples: .*gone.csv: No such file"),
        ({"target": Output(name="y", classes=("a", "b"))}, "predicts a number, .*names 2"),
    ],
)
def test_a_model_that_is_not_what_the_experiment_says_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path, make: Make
) -> None:
    with pytest.raises(ExperimentError, match=said):
        imported.bundle_of(regression(make, tmp_path, **changes), tmp_path)


def test_a_range_of_all_numbers_is_drawn_from() -> None:
    wide = Input(type="number", minimum=-1.7e308, maximum=1.7e308)
    contract = schema.contract_of(msgspec.structs.replace(PLAIN, input_schema={"a": wide}))
    model = Model("m", b"", lambda rows: of_numbers(contract, rows[:, 0]), 0.0, {})
    rows = examples.drawn(contract, model, np.zeros((1, 1)), 0)
    assert rows.min() < -1e308
    assert rows.max() > 1e308
    assert np.isfinite(rows).all()


def test_features_that_are_not_the_models_are_named(tmp_path: Path, make: Make) -> None:
    experiment = regression(make, tmp_path)
    inputs = {"old" if name == "age" else name: NUMBER for name in experiment.input_schema}
    other = msgspec.structs.replace(experiment, input_schema=inputs)
    with pytest.raises(ExperimentError, match=r"it lacks age, and has old; .*`feature`"):
        imported.bundle_of(rewritten(other, tmp_path), tmp_path)
    inputs["old"] = Input(type="number", feature="age")
    renamed = msgspec.structs.replace(experiment, input_schema=inputs)
    assert imported.bundle_of(rewritten(renamed, tmp_path), tmp_path).manifest.parity.rows


def rewritten(experiment: Experiment, folder: Path) -> Experiment:
    """Give the examples the names of the schema."""
    path = folder / "examples.csv"
    _, *lines = path.read_text().splitlines()
    path.write_text("\n".join([",".join([*experiment.input_schema, "outcome"]), *lines]))
    return experiment


def test_inputs_are_put_in_the_models_own_order(tmp_path: Path, make: Make) -> None:
    experiment = regression(make, tmp_path)
    backwards = dict(reversed(experiment.input_schema.items()))
    changed = msgspec.structs.replace(experiment, input_schema=backwards)
    first, second = (imported.bundle_of(each, tmp_path).manifest for each in (experiment, changed))
    assert first.golden.predictions == second.golden.predictions
    assert list(second.contract.names) == list(backwards)


@pytest.mark.parametrize(("cell", "expected"), [("", "a number"), ("x", "a number")])
def test_an_example_that_the_schema_does_not_allow_is_named(
    cell: str, expected: str, tmp_path: Path, make: Make
) -> None:
    experiment = regression(make, tmp_path)
    path = tmp_path / "examples.csv"
    lines = path.read_text().splitlines()
    lines[2] = ",".join([cell, *lines[2].split(",")[1:]])
    path.write_text("\n".join(lines))
    said = f"examples.csv: line 3, column 'age': got '{cell}', expected {expected}"
    with pytest.raises(DataError, match=re.escape(said)):
        imported.bundle_of(experiment, tmp_path)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"booster": "gblinear", "updater": "coord_descent"}, "is a gblinear"),
        ({"objective": "binary:hinge"}, "objective binary:hinge, expected one of"),
        ({"objective": "binary:logitraw"}, "objective binary:logitraw, expected one of"),
    ],
)
def test_xgboost_models_that_are_no_trees_of_ours_are_refused(
    parameters: dict[str, Any], said: str, tmp_path: Path, make: Make
) -> None:
    task = TASKS["binary"]
    data = xgboost.DMatrix(task.frame, task.target)
    xgboost.train(parameters, data, 2).save_model(tmp_path / "model.json")
    with pytest.raises(ExperimentError, match=said):
        imported.bundle_of(make(task, "xgboost", "model.json"), tmp_path)


def test_categories_inside_trees_are_refused(tmp_path: Path, make: Make) -> None:
    task = TASKS["regression"]
    coded = task.frame.assign(sex=(task.frame.sex > 0).astype(int) + 2 * (task.frame.age > 0))
    data = xgboost.DMatrix(coded.astype({"sex": "category"}), task.target, enable_categorical=True)
    xgboost.train({"max_cat_to_onehot": 1}, data, 5).save_model(tmp_path / "x.json")
    with pytest.raises(ExperimentError, match="without enable_categorical"):
        imported.bundle_of(make(task, "xgboost", "x.json"), tmp_path)
    rows = lightgbm.Dataset(coded, task.target, categorical_feature=["sex"])
    given = {"verbose": -1, "min_data_per_group": 1, "cat_smooth": 0}
    lightgbm.train(given, rows, 20).save_model(tmp_path / "l.txt")
    with pytest.raises(ExperimentError, match="without categorical_feature"):
        imported.bundle_of(make(task, "lightgbm", "l.txt"), tmp_path)
    model = catboost.CatBoostRegressor(iterations=3, silent=True, allow_writing_files=False)
    model.fit(coded, task.target, cat_features=["sex"]).save_model(str(tmp_path / "c.cbm"))
    with pytest.raises(ExperimentError, match="without cat_features"):
        imported.bundle_of(make(task, "catboost", "c.cbm"), tmp_path)


def test_linear_leaves_are_refused(tmp_path: Path, make: Make) -> None:
    task = TASKS["regression"]
    rows = lightgbm.Dataset(task.frame, task.target, params={"linear_tree": True, "verbose": -1})
    model = lightgbm.train({"linear_tree": True, "verbose": -1}, rows, 2)
    model.save_model(tmp_path / "model.txt")
    with pytest.raises(ExperimentError, match="linear_tree=false"):
        imported.bundle_of(make(task, "lightgbm", "model.txt"), tmp_path)


def test_zero_that_is_missing_goes_the_way_of_missing_values(tmp_path: Path, make: Make) -> None:
    task = TASKS["binary"]
    frame = task.frame.where(task.frame > task.frame.median(), 0.0)
    frame.iloc[::5, 1] = np.nan
    given = {"objective": "binary", "zero_as_missing": True, "verbose": -1}
    lightgbm.train(given, lightgbm.Dataset(frame, task.target), 20).save_model(tmp_path / "m.txt")
    holed = type(task)(frame, task.target, task.classes)
    experiment = make(holed, "lightgbm", "m.txt", optional=[str(frame.columns[1])])
    parity = imported.bundle_of(experiment, tmp_path).manifest.parity
    assert parity.native < 1e-14


@pytest.mark.parametrize("suffix", ["pkl", "joblib"])
def test_a_pickle_is_refused_unread(suffix: str, tmp_path: Path, make: Make) -> None:
    name = f"model.{suffix}"
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(ExperimentError, match=r"runs code when it is read: .*skops.io.dump"):
        imported.bundle_of(make(TASKS["regression"], "sklearn", name), tmp_path)


def fitted(model: BaseEstimator, kind: str, folder: Path) -> tuple[str, ...]:
    task = TASKS[kind]
    path = folder / "model.skops"
    skops.io.dump(model.fit(task.frame, task.target), path)
    return tuple(skops.io.get_untrusted_types(file=path))


def test_types_that_nobody_said_to_trust_are_listed(tmp_path: Path, make: Make) -> None:
    [name] = fitted(HistGradientBoostingRegressor(max_iter=2), "regression", tmp_path)
    with pytest.raises(ExperimentError, match=rf"{re.escape(name)}; .*trusted_types"):
        imported.bundle_of(make(TASKS["regression"], "sklearn", "model.skops"), tmp_path)


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        (LinearSVC(), "binary", "without predict_proba"),
        (
            GaussianProcessRegressor(optimizer=None),
            "regression",
            "the pipeline has graphs inside its operators",
        ),
        (KMeans(2, n_init=1), "regression", "is a KMeans, expected a classifier or a regressor"),
    ],
)
def test_models_of_scikit_learn_that_are_not_served_are_refused(
    model: BaseEstimator, kind: str, said: str, tmp_path: Path, make: Make
) -> None:
    trusted = fitted(model, kind, tmp_path)
    experiment = make(TASKS[kind], "sklearn", "model.skops", trusted=trusted)
    with pytest.raises(ExperimentError, match=said):
        imported.bundle_of(experiment, tmp_path)


def test_classes_in_another_order_than_the_models_are_refused(tmp_path: Path, make: Make) -> None:
    task = TASKS["binary"]
    names = task.target.map(dict(enumerate(task.classes)))
    model = catboost.CatBoostClassifier(iterations=2, silent=True, allow_writing_files=False)
    model.fit(task.frame, names).save_model(str(tmp_path / "model.cbm"))
    with pytest.raises(ExperimentError, match="predicts benign, malignant: give the model's"):
        imported.bundle_of(make(task, "catboost", "model.cbm"), tmp_path)


def graph_of(
    nodes: list[onnx.NodeProto], rows: int | None = None, width: int = 8
) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, width])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, width])]
    made = helper.make_graph(nodes, "g", inputs, outputs)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize(
    ("rows", "width", "said"),
    [(1, 8, "takes 1 rows, expected any number"), (None, 5, "takes 5 features, .* has 8")],
)
def test_a_graph_of_another_shape_is_refused(
    rows: int | None, width: int, said: str, tmp_path: Path, make: Make
) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    onnx.save(graph_of(nodes, rows, width), tmp_path / "model.onnx")
    with pytest.raises(ExperimentError, match=said):
        imported.bundle_of(make(TASKS["regression"], "onnx", "model.onnx"), tmp_path)


def test_maps_of_probabilities_are_refused(tmp_path: Path, make: Make) -> None:
    nodes = [
        helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node(
            "ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_int64s=list(range(8))
        ),
    ]
    onnx.save(graph_of(nodes), tmp_path / "model.onnx")
    with pytest.raises(ExperimentError, match=r"ZipMap.*options=\{'zipmap': False\}"):
        imported.bundle_of(make(TASKS["regression"], "onnx", "model.onnx"), tmp_path)


def test_a_graph_that_answers_otherwise_is_refused_with_the_row(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = regression(make, tmp_path)
    monkeypatch.setattr(xgboost_file, "_margins", lambda bases, _: bases + 0.5)
    with pytest.raises(ParityError, match=r"disagree on example \d+ \(age .*apart by 0.5 where"):
        imported.bundle_of(experiment, tmp_path)


def test_a_threshold_that_is_off_by_one_float_is_found(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS["regression"]
    rows = lightgbm.Dataset(task.frame, task.target)
    lightgbm.train({"verbose": -1}, rows, 3).save_model(tmp_path / "model.txt")
    monkeypatch.setattr(
        lightgbm_file, "_beyond_zero", lambda split: float(np.nextafter(split, -np.inf))
    )
    with pytest.raises(ParityError, match="disagree on drawn row"):
        imported.bundle_of(make(task, "lightgbm", "model.txt"), tmp_path)


def test_another_class_than_the_models_is_refused() -> None:
    contract = schema.contract_of(
        msgspec.structs.replace(PLAIN, target=Output(name="y", classes=("no", "yes")))
    )
    likely = np.array([[0.4, 0.6], [0.5, 0.5]])
    found, native = (Answer(np.array(values, np.float64), likely) for values in ([0, 0], [1, 1]))
    place = gate._Place("example", contract, np.array([[1.0], [2.0]]))
    with pytest.raises(ParityError, match=r"says no, the model yes of example 0 \(a 1.0\)"):
        place.same_class(found, native, 1e-9)
    tie = gate._Place("example", contract, np.array([[2.0]]))
    one, other = (Answer(each.values[1:], likely[1:]) for each in (found, native))
    tie.same_class(one, other, 1e-9)


def test_a_model_that_refuses_a_row_of_the_schema_is_said_so(tmp_path: Path, make: Make) -> None:
    trusted = fitted(LinearRegression(), "regression", tmp_path)
    task = TASKS["regression"].with_holes()
    experiment = make(task, "sklearn", "model.skops", optional=["age", "bmi"], trusted=trusted)
    with pytest.raises(ExperimentError, match="refuses rows that input_schema allows"):
        imported.bundle_of(experiment, tmp_path)
