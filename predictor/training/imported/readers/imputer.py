"""A converter of SimpleImputer: skl2onnx's own has no doubles and no missing texts of ours."""

from typing import Any

from onnx import TensorProto
from skl2onnx.common.data_types import StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables

from predictor.errors import ExperimentError
from predictor.training.imported.readers.missing import EMPTY

# skl2onnx's Operator, Scope and Container.
Part = Any


def shape(operator: Part) -> None:
    """Tell skl2onnx the output's type, which is the input's."""
    kind = type(operator.inputs[0].type)
    imputer = operator.raw_operator
    if imputer.add_indicator or _drops(imputer.statistics_):
        message = (
            "a SimpleImputer that adds indicators, or drops columns that are always missing, is "
            "not supported: set add_indicator=False and leave such columns out"
        )
        raise ExperimentError(message)
    operator.outputs[0].type = kind([None, len(imputer.statistics_)])


def _drops(statistics: Any) -> bool:  # noqa: ANN401 - of numbers, or of texts
    return any(value != value for value in statistics)  # noqa: PLR0124 - NaN is not itself


def convert(scope: Part, operator: Part, container: Part) -> None:
    """Add the nodes: what is missing is replaced by its column's statistic."""
    given = concatenate_variables(scope, operator.inputs, container)
    names = {
        name: scope.get_unique_variable_name(f"imputer_{name}")
        for name in ("statistics", "empty", "is_missing")
    }
    statistics = operator.raw_operator.statistics_.tolist()
    kind = _element(operator.inputs[0].type)
    texts = kind == TensorProto.STRING
    content = [str(value).encode() for value in statistics] if texts else statistics
    container.add_initializer(names["statistics"], kind, [1, len(content)], content)
    if texts:
        container.add_initializer(names["empty"], kind, [1], [EMPTY.encode()])
        container.add_node("Equal", [given, names["empty"]], names["is_missing"], op_version=19)
    else:
        container.add_node("IsNaN", given, names["is_missing"], op_version=13)
    chosen = [names["is_missing"], names["statistics"], given]
    container.add_node("Where", chosen, operator.outputs[0].full_name, op_version=16)


def _element(kind: Part) -> int:
    if isinstance(kind, StringTensorType):
        return int(TensorProto.STRING)
    return int(kind.to_onnx_type().tensor_type.elem_type)
