"""Converters of steps that skl2onnx has without doubles, or without missing texts as ours."""

import math
from typing import Any

from onnx import TensorProto
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from skl2onnx.operator_converters.ordinal_encoder import convert_sklearn_ordinal_encoder
from skl2onnx.shape_calculators.ordinal_encoder import (
    calculate_sklearn_ordinal_encoder_output_shapes,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OrdinalEncoder

from predictor.errors import ExperimentError
from predictor.training.imported.readers.missing import EMPTY

# skl2onnx's Operator, Scope and Container.
Part = Any


def _imputed_shape(operator: Part) -> None:
    """Tell skl2onnx the output's type, which is the input's."""
    kind = type(operator.inputs[0].type)
    imputer = operator.raw_operator
    if imputer.missing_values is not None and not _is_nan(imputer.missing_values):
        message = (
            f"a SimpleImputer takes {imputer.missing_values!r} for missing, which is not "
            "supported: let it be what is missing (NaN), and the input optional"
        )
        raise ExperimentError(message)
    if imputer.add_indicator or any(map(_is_nan, imputer.statistics_)):
        message = (
            "a SimpleImputer that adds indicators, or drops columns that are always missing, is "
            "not supported: set add_indicator=False and leave such columns out"
        )
        raise ExperimentError(message)
    operator.outputs[0].type = kind([None, len(imputer.statistics_)])


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _impute(scope: Part, operator: Part, container: Part) -> None:
    """Add the nodes: what is missing is replaced by its column's statistic."""
    given = concatenate_variables(scope, operator.inputs, container)
    statistics, empty, is_missing = (
        scope.get_unique_variable_name(f"imputer_{name}")
        for name in ("statistics", "empty", "is_missing")
    )
    content = operator.raw_operator.statistics_.tolist()
    kind = int(operator.inputs[0].type.to_onnx_type().tensor_type.elem_type)
    if kind == TensorProto.STRING:
        content = [str(value).encode() for value in content]
        container.add_initializer(empty, kind, [1], [EMPTY.encode()])
        container.add_node("Equal", [given, empty], is_missing, op_version=19)
    else:
        container.add_node("IsNaN", given, is_missing, op_version=13)
    container.add_initializer(statistics, kind, [1, len(content)], content)
    chosen = [is_missing, statistics, given]
    container.add_node("Where", chosen, operator.outputs[0].full_name, op_version=16)


def _is_of_texts(operator: Part) -> bool:
    return all(isinstance(each.type, StringTensorType) for each in operator.inputs)


def _encoded_shape(operator: Part) -> None:
    if not _is_of_texts(operator):
        calculate_sklearn_ordinal_encoder_output_shapes(operator)
        return
    operator.outputs[0].type = DoubleTensorType([None, len(operator.raw_operator.categories_)])


def _encode(scope: Part, operator: Part, container: Part) -> None:
    """Add the nodes: each text is its place among its column's categories."""
    if not _is_of_texts(operator):
        convert_sklearn_ordinal_encoder(scope, operator, container)
        return
    given = concatenate_variables(scope, operator.inputs, container)
    columns = [
        _encoded_column(scope, container, given, place, operator.raw_operator)
        for place in range(len(operator.raw_operator.categories_))
    ]
    joined = scope.get_unique_variable_name("encoded")
    container.add_node("Concat", columns, joined, op_version=13, axis=1)
    output = operator.outputs[0].full_name
    container.add_node("Cast", joined, output, op_version=13, to=TensorProto.DOUBLE)


def _encoded_column(
    scope: Part, container: Part, given: str, place: int, encoder: OrdinalEncoder
) -> str:
    """Add the nodes of one column, (n, 1), and return its name; a code is exact in float32."""
    names = [str(each) for each in encoder.categories_[place]]
    codes = [float(code) for code in range(len(names))]
    if EMPTY in names:
        codes[names.index(EMPTY)] = float(encoder.encoded_missing_value)
    unknown = math.nan if encoder.unknown_value is None else float(encoder.unknown_value)
    index, texts, found = (
        scope.get_unique_variable_name(f"{name}{place}") for name in ("index", "texts", "codes")
    )
    container.add_initializer(index, TensorProto.INT64, [1], [place])
    container.add_node("Gather", [given, index], texts, op_version=13, axis=1)
    container.add_node(
        "LabelEncoder",
        texts,
        found,
        op_domain="ai.onnx.ml",
        op_version=2,
        keys_strings=names,
        values_floats=codes,
        default_float=unknown,
    )
    return str(found)


SHAPES = {SimpleImputer: _imputed_shape, OrdinalEncoder: _encoded_shape}
CONVERTERS = {SimpleImputer: _impute, OrdinalEncoder: _encode}
