"""scikit-learn's pipelines as graphs, by skl2onnx, in double precision where it has that."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import skl2onnx
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from spox import Var, build, inline

from predictor import graph
from predictor.contract import INPUT, Column, Contract
from predictor.errors import ExperimentError
from predictor.inspection import fault
from predictor.training.features import columns_argument
from predictor.training.imported.model import numbers_out, probabilities_out
from predictor.training.imported.readers import imputer, missing
from predictor.training.imported.readers.forests import Estimator, are_trees, trees_of

OPSETS = {"": 21, "ai.onnx.ml": 3}
MATRIX = "matrix"


@dataclass(frozen=True)
class Fed:
    """How a pipeline is fed: its features' names, and each one's place among the columns.

    `is_frame` says that it was fitted on a frame; `one_by_one`, that it takes each feature with a
    type of its own. A missing text is `missing_text`.
    """

    contract: Contract
    names: list[str]
    order: list[int]
    is_frame: bool
    one_by_one: bool
    missing_text: float | None

    def values(self, place: int, codes: NDArray[np.float64]) -> NDArray[np.generic]:
        """Return a column's values, (n,), as the model's team has them."""
        column = self.contract.columns[place]
        if column.datatype == "BYTES":
            return missing.texts_of(column, codes, self.missing_text)
        return codes.astype(np.int64) if _is_whole(column) else codes


def graph_of(model: Estimator, fed: Fed) -> bytes:
    """Return the graph, serialized; trees at the end of a pipeline are exported by our own code.

    Raises ExperimentError when skl2onnx cannot convert the rest, or needs what is not served.
    """
    wrong = ""
    for number in (np.float64, np.float32):
        try:
            model_bytes = _built(missing.as_empty(model), fed, number)
            wrong = fault(model_bytes)
            if not wrong:
                graph.load(model_bytes)
                return model_bytes
        except ExperimentError:
            raise
        except Exception as error:  # noqa: BLE001 - of skl2onnx, spox, onnx and ONNX Runtime
            wrong = wrong or f"cannot be converted: {str(error).strip().splitlines()[0]}"
    message = (
        f"the pipeline {wrong}; write it with other steps of scikit-learn, or convert it to ONNX "
        "yourself and hand that over as model_type onnx"
    )
    raise ExperimentError(message)


def _built(model: Estimator, fed: Fed, number: type[np.floating]) -> bytes:
    columns = columns_argument(fed.contract)
    outputs = _outputs(model, fed, columns, number)
    return build({INPUT: columns}, outputs).SerializeToString(deterministic=True)


def _outputs(model: Estimator, fed: Fed, columns: Var, number: type[np.floating]) -> dict[str, Var]:
    contract = fed.contract
    if isinstance(model, Pipeline) and are_trees(model[-1]):
        found = _converted(Pipeline(model.steps[:-1]), fed, columns, number)
        matrix = op.cast(next(iter(found.values())), to=np.float64)
        return trees_of(model[-1]).outputs(contract, matrix)
    found = _converted(model, fed, columns, number)
    if contract.target.classes:
        likely = found["probabilities"]
        return probabilities_out(contract, op.cast(likely, to=np.float64))
    value = op.reshape(next(iter(found.values())), op.const(np.array([-1], np.int64)))
    return numbers_out(contract, op.cast(value, to=np.float64))


def _converted(
    model: Estimator, fed: Fed, columns: Var, number: type[np.floating]
) -> dict[str, Var]:
    """Return the outputs of a pipeline that skl2onnx converted, by their names."""
    if fed.one_by_one:
        given = {
            name: _feature(columns, fed.contract.columns[place], place, number)
            for name, place in zip(fed.names, fed.order, strict=True)
        }
        types = [
            (name, _type(fed.contract.columns[p], number))
            for name, p in zip(fed.names, fed.order, strict=True)
        ]
    else:
        picked = op.gather(columns, op.const(np.array(fed.order, np.int64)), axis=1)
        given = {MATRIX: op.cast(picked, to=number)}
        types = [(MATRIX, _number(number)([None, len(fed.order)]))]
    converted: onnx.ModelProto = skl2onnx.convert_sklearn(
        model,
        initial_types=types,
        target_opset=OPSETS,
        options={"zipmap": False} if hasattr(model, "classes_") else None,
        custom_conversion_functions={SimpleImputer: imputer.convert},
        custom_shape_calculators={SimpleImputer: imputer.shape},
    )
    return inline(converted)(**given)


def _feature(columns: Var, column: Column, place: int, number: type[np.floating]) -> Var:
    """Return one feature, (n, 1), as its own type: a category as its text."""
    codes = op.gather(columns, op.const(np.array([place], np.int64)), axis=1)
    if column.datatype != "BYTES":
        return op.cast(codes, to=np.int64 if _is_whole(column) else number)
    return missing.texts(column, codes)


def _is_whole(column: Column) -> bool:
    """Whether a column is one of whole numbers for the model: none of them may be missing."""
    return column.datatype == "INT64" and not column.optional


def _type(column: Column, number: type[np.floating]) -> object:
    if column.datatype == "BYTES":
        return StringTensorType([None, 1])
    return (Int64TensorType if _is_whole(column) else _number(number))([None, 1])


def _number(number: type[np.floating]) -> Callable[[list[int | None]], object]:
    found: Callable[[list[int | None]], object] = (
        DoubleTensorType if number is np.float64 else FloatTensorType
    )
    return found
