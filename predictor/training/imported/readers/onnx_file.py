"""ONNX graphs that a team exported itself: wrapped, so that they take and give what ours do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto
from spox import Var, build, inline

from predictor import graph
from predictor.contract import INPUT, Column, Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.inspection import fault
from predictor.training.features import columns_argument
from predictor.training.imported import schema
from predictor.training.imported.model import (
    Answer,
    Model,
    Rows,
    numbers_out,
    of_numbers,
    of_probabilities,
    probabilities_out,
)
from predictor.training.imported.readers import missing

# The same graph with other operators around it: nothing in it is computed otherwise, but ONNX
# Runtime may fuse operators that a wrapper brings together.
TOLERANCE = 1e-6

NUMBERS: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
}
FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}


def read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model in a file; raises ExperimentError when it is none that can be wrapped."""
    model = _load(path)
    order = _order(experiment, path, model)
    output = _output(path, model, contract)
    given = Given(path, contract, model, order, output)
    return Model(
        kind=f"onnx {'classifier' if contract.target.classes else 'regressor'}",
        graph=given.graph(),
        native=given.native,
        tolerance=TOLERANCE,
        versions={},
    )


def _load(path: Path) -> onnx.ModelProto:
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's errors have no base class
        message = f"{path} is no ONNX model: {str(error).strip().splitlines()[0]}"
        raise ExperimentError(message) from error
    if any(node.op_type == "ZipMap" for node in model.graph.node):
        message = (
            f"{path} gives probabilities as maps (ZipMap), which are not supported: convert it "
            "with options={'zipmap': False}"
        )
        raise ExperimentError(message)
    wrong = fault(content)
    if wrong:
        message = f"{path} {wrong}: convert it to plain operators of ONNX, all in one file"
        raise ExperimentError(message)
    return model


def _inputs(model: onnx.ModelProto) -> list[ValueInfoProto]:
    defaults = {tensor.name for tensor in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in defaults]


def _shape(value: ValueInfoProto) -> list[int]:
    """Return the axes of a tensor, 0 for those that are free."""
    return [int(axis.dim_value) for axis in value.type.tensor_type.shape.dim]


def _kind(value: ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _is_matrix(inputs: Sequence[ValueInfoProto], columns: int) -> bool:
    return len(inputs) == 1 and _shape(inputs[0])[1:] in ([columns], [0])


def _order(experiment: Experiment, path: Path, model: onnx.ModelProto) -> list[int]:
    """Return the columns in the order of the graph's inputs, or of its one input's columns."""
    inputs = _inputs(model)
    every = {n: given for n, given in experiment.input_schema.items() if given.optional}
    for each in inputs:
        own = {n: given for n, given in every.items() if (given.feature or n) == each.name}
        optional = list(own if len(inputs) > 1 else every)
        shape = _shape(each)
        if shape[:1] and shape[0]:
            message = (
                f"{path}: the input {each.name} takes {shape[0]} rows, expected any number: export "
                "the model with a free first axis"
            )
            raise ExperimentError(message)
        if _kind(each) not in {*NUMBERS, TensorProto.STRING}:
            message = f"{path}: the input {each.name} is of a type that is not supported"
            raise ExperimentError(message)
        if _kind(each) not in {*FLOATS, TensorProto.STRING} and optional:
            message = (
                f"{path}: the input {each.name} takes whole numbers, among which none can be "
                f"missing, but {optional[0]} is optional: leave that out, or export it as double"
            )
            raise ExperimentError(message)
    columns = len(experiment.input_schema)
    if _is_matrix(inputs, columns):
        return list(range(columns))
    if len(inputs) == 1 and columns > 1:
        [width] = _shape(inputs[0])[1:] or [1]
        message = (
            f"{path} takes {width} features, input_schema has {columns}: give one for each, in the "
            "order in which the model takes them"
        )
        raise ExperimentError(message)
    return schema.places(experiment, [each.name for each in inputs])


def _output(path: Path, model: onnx.ModelProto, contract: Contract) -> str:
    """Return the name of the output with the numbers, or the probabilities."""
    outputs = [each for each in model.graph.output if _kind(each) in FLOATS]
    if len(outputs) != 1:
        found = ", ".join(each.name for each in model.graph.output)
        wanted = "the probabilities" if contract.target.classes else "the number"
        message = (
            f"{path} has the outputs {found}, expected one of float or double with {wanted}: "
            "export the model with that one alone, or with a label beside it"
        )
        raise ExperimentError(message)
    return str(outputs[0].name)


@dataclass(frozen=True)
class Given:
    """A graph as it was handed over, and how it is fed."""

    path: Path
    contract: Contract
    model: onnx.ModelProto
    order: list[int]
    output: str

    @property
    def inputs(self) -> list[ValueInfoProto]:
        """What the graph takes."""
        return _inputs(self.model)

    @property
    def is_matrix(self) -> bool:
        """Whether the graph takes all columns as one matrix."""
        return _is_matrix(self.inputs, len(self.contract.columns))

    def graph(self) -> bytes:
        """Return the graph that is served, serialized."""
        columns = columns_argument(self.contract)
        try:
            found = inline(self.model)(**self._fed(columns))[self.output]
            return build({INPUT: columns}, self._answered(found)).SerializeToString(
                deterministic=True
            )
        except Exception as error:  # of spox, and of onnx's converter of versions
            first = str(error).strip().splitlines()[0]
            message = f"{self.path} cannot be built into a graph: {first}; export it with opset 21"
            raise ExperimentError(message) from error

    def native(self, rows: Rows) -> Answer:
        """Return what ONNX Runtime makes of the file itself, without a wrapper."""
        session = graph.load(self.model.SerializeToString())
        names = [each.name for each in self.model.graph.output]
        outputs = dict(zip(names, session.run(names, self._feeds(rows)), strict=True))
        found = np.asarray(outputs.pop(self.output), np.float64)
        if not self.contract.target.classes:
            return of_numbers(self.contract, found.reshape(-1))
        answer = of_probabilities(_of_all(found))
        for label in outputs.values():
            answer = Answer(self._places(np.ravel(label)), answer.probabilities)
        return answer

    def _places(self, labels: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return labels as places among the classes: their names, or numbers that are places."""
        known = {name: place for place, name in enumerate(self.contract.target.classes)}
        texts = [str(label) for label in labels.tolist()]
        if set(texts) <= known.keys():
            return np.array([known[text] for text in texts], np.float64)
        return np.array(labels, np.float64)

    def _fed(self, columns: Var) -> dict[str, Var]:
        if self.is_matrix:
            [value] = self.inputs
            return {value.name: op.cast(columns, to=NUMBERS[_kind(value)])}
        return {
            value.name: _feature(value, columns, self.contract.columns[place], place)
            for value, place in zip(self.inputs, self.order, strict=True)
        }

    def _feeds(self, rows: Rows) -> dict[str, NDArray[Any]]:
        if self.is_matrix:
            [value] = self.inputs
            return {value.name: rows.astype(NUMBERS[_kind(value)])}
        return {
            value.name: _values(value, rows[:, place], self.contract.columns[place])
            for value, place in zip(self.inputs, self.order, strict=True)
        }

    def _answered(self, found: Var) -> dict[str, Var]:
        exact = op.cast(found, to=np.float64)
        if not self.contract.target.classes:
            return numbers_out(self.contract, op.reshape(exact, op.const(np.array([-1]))))
        classes = len(self.contract.target.classes)
        if self._width() == 1:
            second = op.reshape(exact, op.const(np.array([-1, 1])))
            exact = op.concat([op.sub(op.const(1.0), second), second], axis=1)
        return probabilities_out(
            self.contract, op.reshape(exact, op.const(np.array([-1, classes])))
        )

    def _width(self) -> int:
        [value] = [each for each in self.model.graph.output if each.name == self.output]
        return (_shape(value)[1:] or [1])[0]


def _of_all(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of all classes, of which there may be the second's alone."""
    if found.ndim == 2 and found.shape[1] > 1:
        return found
    second = found.reshape(-1, 1)
    return np.hstack([1 - second, second])


def _feature(value: ValueInfoProto, columns: Var, column: Column, place: int) -> Var:
    """Return one column as a graph takes it, (n,) or (n, 1)."""
    index = np.int64(place) if len(_shape(value)) == 1 else np.array([place], np.int64)
    codes = op.gather(columns, op.const(index), axis=1)
    if _kind(value) != TensorProto.STRING:
        return op.cast(codes, to=NUMBERS[_kind(value)])
    return missing.texts(column, codes)


def _values(value: ValueInfoProto, codes: NDArray[np.float64], column: Column) -> NDArray[Any]:
    shape = (-1,) if len(_shape(value)) == 1 else (-1, 1)
    if _kind(value) != TensorProto.STRING:
        return codes.astype(NUMBERS[_kind(value)]).reshape(shape)
    return missing.texts_of(column, codes, missing.EMPTY).reshape(shape)
