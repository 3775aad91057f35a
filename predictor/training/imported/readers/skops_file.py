"""scikit-learn's models, in the files of skops, which run no code when they are read."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skl2onnx
import sklearn
import skops.io
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from predictor.contract import Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.training.imported import schema
from predictor.training.imported.model import Answer, Model, Rows, of_numbers, of_probabilities
from predictor.training.imported.readers import missing
from predictor.training.imported.readers.forests import Estimator, are_trees, trees_of
from predictor.training.imported.readers.pipelines import Fed, graph_of

# Trees alone add up float64; converters of what stands before or instead of them use float32 for
# some of their constants.
TREES_TOLERANCE, TOLERANCE = 1e-9, 1e-5

PICKLES = {".pkl", ".pickle", ".joblib", ".sav", ".dill", ".cloudpickle"}


def read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model in a file; raises ExperimentError when it is none that can be exported."""
    model = _load(experiment, path)
    if not hasattr(model, "predict") or not hasattr(model, "n_features_in_"):
        message = f"{path} is a {type(model).__name__}, expected a fitted model or pipeline"
        raise ExperimentError(message)
    classes = _classes(experiment, path, model)
    fed = _fed(experiment, contract, model)
    final = model[-1] if isinstance(model, Pipeline) else model
    is_bare = are_trees(final) and (final is model or len(model.steps) == 1)
    trees = trees_of(final) if is_bare else None
    kind = "classifier" if classes else "regressor"
    ordered = trees and trees.placed(fed.order)
    return Model(
        kind=f"sklearn {type(final).__name__} {kind}",
        graph=ordered.graph(contract) if ordered else graph_of(model, fed),
        native=partial(_native, model, fed),
        tolerance=TREES_TOLERANCE if ordered else TOLERANCE,
        versions={"scikit-learn": sklearn.__version__, "skl2onnx": skl2onnx.__version__},
        exact=partial(ordered.exact, contract) if ordered else None,
        splits=ordered.splits(len(contract.columns)) if ordered else [],
    )


def _load(experiment: Experiment, path: Path) -> Estimator:
    if path.suffix in PICKLES:
        message = (
            f"{path} is a pickle, which runs code when it is read: write the model with "
            "skops.io.dump(model, 'model.skops')"
        )
        raise ExperimentError(message)
    trusted = set(experiment.trusted_types)
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - trusted)
        if not unknown:
            return skops.io.load(path, trusted=sorted(trusted))
    except Exception as error:  # of a file that may be anything
        message = f"{path} is no file of skops: {error}; write it with skops.io.dump(model, path)"
        raise ExperimentError(message) from error
    message = (
        f"{path} is made of types that are not known to be harmless: {', '.join(unknown)}; read "
        "their code, then list those that you trust in trusted_types"
    )
    raise ExperimentError(message)


def _classes(experiment: Experiment, path: Path, model: Estimator) -> int:
    if not is_classifier(model) and not is_regressor(model):
        message = f"{path} is a {type(model).__name__}, expected a classifier or a regressor"
        raise ExperimentError(message)
    if not is_classifier(model):
        schema.check_scores(experiment, 0)
        return 0
    if not hasattr(model, "predict_proba"):
        message = (
            f"{path} is a {type(model).__name__} without predict_proba: fit it inside a "
            "CalibratedClassifierCV, or another model"
        )
        raise ExperimentError(message)
    schema.check_scores(experiment, len(model.classes_))
    schema.check_classes(experiment, list(model.classes_))
    return len(model.classes_)


def _fed(experiment: Experiment, contract: Contract, model: Estimator) -> Fed:
    """Return how the model is fed: by names if it was fitted on a frame, else one matrix."""
    own = getattr(model, "feature_names_in_", None)
    names = [f"f{n}" for n in range(model.n_features_in_)] if own is None else list(map(str, own))
    order = schema.places(experiment, names)
    first = model[0] if isinstance(model, Pipeline) else model
    has_texts = any(column.datatype == "BYTES" for column in contract.columns)
    return Fed(
        contract=contract,
        names=names,
        order=order,
        is_frame=own is not None,
        one_by_one=has_texts or (own is not None and isinstance(first, ColumnTransformer)),
        missing_text=missing.text_of(model),
    )


def _native(model: Any, fed: Fed, rows: Rows) -> Answer:  # noqa: ANN401 - sklearn has no types
    given = _as_fitted(fed, rows)
    if fed.contract.target.classes:
        return of_probabilities(np.asarray(model.predict_proba(given), np.float64))
    return of_numbers(fed.contract, np.ravel(np.asarray(model.predict(given), np.float64)))


def _as_fitted(fed: Fed, rows: Rows) -> pd.DataFrame | NDArray[Any]:
    """Return rows as the model's team gave them to it."""
    if not fed.one_by_one and not fed.is_frame:
        return rows[:, fed.order]
    frame = pd.DataFrame(
        {
            name: fed.values(place, rows[:, place])
            for name, place in zip(fed.names, fed.order, strict=True)
        }
    )
    return frame if fed.is_frame else frame.to_numpy(object)
