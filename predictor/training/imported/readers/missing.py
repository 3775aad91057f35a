"""Categories as texts, and missing ones: NaN or None for scikit-learn, for a graph empty."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from spox import Var

from predictor.contract import Column
from predictor.training.imported.readers.forests import Estimator

EMPTY = ""


def texts(column: Column, codes: Var) -> Var:
    """Return a category's texts for its codes in a graph, of their shape."""
    known = [*column.names, EMPTY]
    places = op.where(op.isnan(codes), op.const(float(len(known) - 1)), codes)
    return op.gather(op.const(np.array(known, np.str_)), op.cast(places, to=np.int64))


def texts_of(
    column: Column, codes: NDArray[np.float64], missing: str | float | None
) -> NDArray[np.object_]:
    """Return the same of an array, with `missing` for what is."""
    known = np.array([*column.names, missing], object)
    return known[np.where(np.isnan(codes), len(known) - 1, codes).astype(np.intp)]


def text_of(model: Estimator) -> float | None:
    """Return what a model was fitted to take for a missing text: None if it has seen that."""
    for part in _parts(model):
        seen = [part.missing_values] if isinstance(part, SimpleImputer) else _categories(part)
        if any(value is None for value in seen):
            return None
    return np.nan


def as_empty(model: Estimator) -> Estimator:
    """Return a copy of a model whose encoders know a missing text as the empty one."""
    copied = deepcopy(model)
    for part in _parts(copied):
        if isinstance(part, OneHotEncoder | OrdinalEncoder) and hasattr(part, "categories_"):
            part.categories_ = [
                np.array([EMPTY if _is_missing(value) else value for value in each], object)
                if each.dtype == object
                else each
                for each in part.categories_
            ]
    return copied


def _categories(part: BaseEstimator) -> list[object]:
    return [value for each in getattr(part, "categories_", ()) for value in each]


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is not itself


def _parts(found: object) -> Iterator[BaseEstimator]:
    """Yield all estimators that are in one, itself too."""
    if isinstance(found, BaseEstimator):
        yield found
        found = vars(found)
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        for each in found:
            yield from _parts(each)
