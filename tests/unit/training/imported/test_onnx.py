"""Graphs that a team converted itself, each served as ONNX Runtime runs the file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import skl2onnx
from onnx import TensorProto, helper
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from predictor import graph
from predictor.contract import INPUT
from predictor.experiment import Experiment, Input, Output
from predictor.training import imported
from tests.unit.training.imported.conftest import TASKS, Make, Task

MODELS = {
    "regression": [LinearRegression(), RandomForestRegressor(8, random_state=0)],
    "binary": [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(8, random_state=0),
    ],
    "multiclass": [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(8, random_state=0),
    ],
}
CASES = [(kind, model) for kind, models in MODELS.items() for model in models]


def converted(task: Task, model: object, **options: object) -> onnx.ModelProto:
    fitted = model.fit(task.frame.to_numpy(), task.target)  # type: ignore[attr-defined]
    types = [("x", FloatTensorType([None, task.frame.shape[1]]))]
    extra = {"options": {"zipmap": False}} if task.classes else {}
    found: onnx.ModelProto = skl2onnx.convert_sklearn(
        fitted, initial_types=types, **{"target_opset": 17, **extra, **options}
    )
    return found


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_a_graph_of_one_matrix_is_served_as_it_runs(
    kind: str, model: object, tmp_path: Path, make: Make
) -> None:
    task = TASKS[kind]
    onnx.save(converted(task, model), tmp_path / "model.onnx")
    trained = imported.bundle_of(make(task, "onnx", "model.onnx"), tmp_path)
    assert trained.manifest.parity.native == 0
    assert len(set(trained.manifest.golden.predictions)) > 1


def test_a_graph_of_one_input_for_each_column_is_served_as_it_runs(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Equal", ["kind", "wet"], ["is_wet"]),
        helper.make_node("Where", ["is_wet", "much", "flow"], ["chosen"]),
        helper.make_node("Add", ["chosen", "flow"], ["heat"]),
    ]
    inputs = [
        helper.make_tensor_value_info("kind", TensorProto.STRING, [None, 1]),
        helper.make_tensor_value_info("flow", TensorProto.DOUBLE, [None, 1]),
    ]
    outputs = [helper.make_tensor_value_info("heat", TensorProto.DOUBLE, [None, 1])]
    constants = [
        helper.make_tensor("wet", TensorProto.STRING, [1], [b"wet"]),  # type: ignore[list-item]
        helper.make_tensor("much", TensorProto.DOUBLE, [1], [100.0]),
    ]
    made = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    (tmp_path / "rows.csv").write_text("flow,kind\n1,dry\n2,wet\n3,\n")
    experiment = Experiment(
        name="heat",
        model_path="model.onnx",
        model_type="onnx",
        input_schema={
            "flow": Input(type="number", minimum=0, maximum=10),
            "kind": Input(type="category", categories=("dry", "wet"), optional=True),
        },
        target=Output(name="heat_out", unit="kWh"),
        examples="rows.csv",
    )
    trained = imported.bundle_of(experiment, tmp_path)
    rows = np.array([[1.5, 0], [2.5, 1], [3.5, np.nan]])
    [found] = graph.run(trained.files["model.onnx"], {INPUT: rows}, ["heat_out"])
    assert found.tolist() == [3.0, 102.5, 7.0]
