"""What a bundle explains its predictions by, as a graph: `predictor.explanation` reads it.

For each row it gives what the features say, and as constants the paths to the leaves of the stack.
The values are exact by feature; a feature is owned by the columns that it is computed of, and its
value is divided equally among them.
"""

from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.v21 as op
from numpy.typing import NDArray
from spox import build

from predictor.contract import INPUT
from predictor.explanation import Explainer, Explanation
from predictor.training import parity
from predictor.training.ensemble.forest import Forest
from predictor.training.ensemble.intervals import Calibration
from predictor.training.ensemble.paths import Paths, paths_of
from predictor.training.ensemble.stack import Stack
from predictor.training.evaluation import Problem
from predictor.training.features import FeatureVars, columns_argument
from predictor.training.fuse import group_code, of_group, rise_of_the_usual

# Rows whose explanations are checked, and shown in the model card.
ROWS = 1000


@dataclass(frozen=True)
class Explained:
    """A bundle's explanation, and what it says of some of the rows it was fitted on.

    `columns` are these rows, (rows, columns); `distance` is the largest difference of a
    contribution from the libraries' own, in the target's unit.
    """

    content: bytes
    columns: NDArray[np.float64]
    explanation: Explanation
    distance: float


def explain(
    problem: Problem,
    stack: Stack,
    calibration: Calibration,
    predictions: NDArray[np.float64],
    seed: int,
) -> Explained:
    """Return the explanation of a stack that was fitted on a problem's rows, and checked on some.

    `predictions` are the graph's, (n,), of all rows. Raises ParityError when what a row is
    explained by does not add up to its prediction, or is not what the libraries say themselves.
    """
    content = graph_of(problem, stack.forest, calibration)
    count = len(problem.dataset.target)
    rows = np.random.default_rng(seed).choice(count, min(ROWS, count), replace=False)
    columns = problem.dataset.columns[rows]
    found = Explainer(problem.track.contract, content).explain(columns)
    judged = parity.explanation(
        found, predictions[rows], _native(problem.take(rows), stack), parity.tolerance(problem)
    )
    return Explained(content, columns, found, judged)


def _native(problem: Problem, stack: Stack) -> NDArray[np.float64]:
    """Return the libraries' own contributions, (n, columns); NaN where the physics knows nothing.

    What they say of a feature belongs to the columns that own it.
    """
    track, found = problem.track, problem.found
    known = track.features(columns_argument(track.contract), track.contract)
    by_column = stack.explain(found.matrix) @ _owners(known, track.contract.names)
    return np.where(found.known[:, None], found.half_width[:, None] * by_column, np.nan)


def graph_of(problem: Problem, forest: Forest, calibration: Calibration) -> bytes:
    """Return the serialized graph for a forest that was fitted on a problem's rows."""
    track = problem.track
    columns = columns_argument(track.contract)
    known = track.features(columns, track.contract)
    usual = of_group(calibration.usual[:, [1, 0, 2]], group_code(columns, track))
    of_a_row = {
        "matrix": known.matrix,
        "middle": known.middle,
        "half_width": known.half_width,
        "low": known.low,
        "high": known.high,
        "known": known.known,
        "usual": op.gather(usual, op.const(np.int64(0)), axis=1),
        "rise": rise_of_the_usual(known, usual),
    }
    of_the_model = _of_the_model(problem, forest, known)
    constants = {name: op.const(values) for name, values in of_the_model.items()}
    model = build({INPUT: columns}, {**of_a_row, **constants})
    return model.SerializeToString(deterministic=True)


def _of_the_model(
    problem: Problem, forest: Forest, known: FeatureVars
) -> dict[str, NDArray[np.generic] | np.generic]:
    track, found, paths = problem.track, problem.found, paths_of(forest)
    expected = forest.bias + _expected(paths)
    told = (found.middle + found.half_width * expected)[found.known]
    names = track.contract.names
    return {
        **vars(paths),
        "expected": np.float64(expected),
        "base": np.float64(told.mean() if known.silences else expected),
        "owners": _owners(known, names),
        "group": np.int64(names.index(track.group) if track.group else 0),
        "silences": _silences(known, names),
    }


def _expected(paths: Paths) -> float:
    """Return the mean of the leaves' sum, each leaf weighed by the rows that came to it."""
    ends = np.cumsum(paths.sizes)
    parts = zip(paths.values, ends - paths.sizes, ends, strict=True)
    return float(sum(value * paths.ratios[first:end].prod() for value, first, end in parts))


def _owners(known: FeatureVars, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return what share of each feature is each column's, (features, columns)."""
    owners = [(name,) for name in names] + list(known.derived)
    return np.array([[(name in of) / len(of) for name in names] for of in owners])


def _silences(known: FeatureVars, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return what the columns of each player read when it says nothing, NaN in all others."""
    rows = [[silent.get(name, np.nan) for name in names] for silent in known.silences]
    return np.array(rows, np.float64).reshape(-1, len(names))
