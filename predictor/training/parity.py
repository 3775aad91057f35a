"""The gate: no graph is kept that does not say, on every row, what its parts say without it."""

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Parity
from predictor.errors import ParityError
from predictor.explanation import Explanation
from predictor.training.ensemble import intervals
from predictor.training.ensemble.intervals import Answers, Calibration
from predictor.training.ensemble.stack import Stack
from predictor.training.evaluation import Problem

# The graph adds up float64, as the judge does, and only the order may differ: a share of the
# largest target, 8e-10 kWh on the packaged data.
FLOAT64_TOLERANCE = 5e-12
# The libraries add up float32: a share of the largest product of a half-width and a position, which
# is what they add up to; 9e-6 kWh on the packaged data if they are anchored, else 2e-4.
NATIVE_TOLERANCE = 1.5e-6
# What explains a prediction is added up in another order, from many more parts: a share of the
# largest prediction, 2e-8 kWh on the packaged data.
EXPLAINED_TOLERANCE = 1e-10


def check(
    problem: Problem, stack: Stack, calibration: Calibration, graph: Answers, native: Answers
) -> Parity:
    """Compare a graph's answers for a problem's rows with the sum of leaves, and the libraries'.

    Raises ParityError, naming the booster or the graph, the row and the difference, at the first
    that is too large.
    """
    allowed_of_libraries = tolerance(problem)
    position = _sum_of_leaves(problem, stack, allowed_of_libraries)
    exact = intervals.answer(problem.found, problem.groups, position, calibration)
    allowed = FLOAT64_TOLERANCE * float(np.max(np.abs(problem.dataset.target)))
    float64 = [
        apart(f"the graph's {end} and the sum of leaves", found, vars(exact)[end], allowed)
        for end, found in vars(graph).items()
    ]
    return Parity(
        float64=max(float64),
        native=apart(
            "the graph and the libraries", graph.values, native.values, allowed_of_libraries
        ),
        tolerance=allowed_of_libraries,
        rows=len(native.values),
    )


def tolerance(problem: Problem) -> float:
    """Return how far the libraries may be from float64, in the target's unit."""
    width = np.max(problem.found.half_width[problem.found.known])
    return NATIVE_TOLERANCE * float(width * np.max(np.abs(problem.sample.target)))


def explanation(
    found: Explanation,
    predictions: NDArray[np.float64],
    native: NDArray[np.float64],
    allowed: float,
) -> float:
    """Return the largest difference of contributions, (n, columns), from the libraries' own.

    These are NaN where the libraries have no part. Raises ParityError when a difference is over
    what is `allowed`, and when an explanation does not add up to its prediction.
    """
    most = EXPLAINED_TOLERANCE * float(np.max(np.abs(predictions)))
    apart("a prediction and what explains it", found.predictions, predictions, most)
    own = np.where(np.isnan(native), found.contributions, native)
    what = "the contributions and the libraries' own"
    columns = zip(found.contributions.T, own.T, strict=True)
    return max(apart(what, ours, theirs, allowed) for ours, theirs in columns)


def _sum_of_leaves(problem: Problem, stack: Stack, tolerance: float) -> NDArray[np.float64]:
    """Return the stack's positions, (n,), by the exported trees, each judged by its library."""
    matrix = problem.found.matrix
    total = np.zeros(len(matrix))
    for name, booster in stack.boosters.items():
        exported = booster.forest.predict(matrix)
        found, expected = (
            intervals.place(problem.found, position)
            for position in (exported, booster.predict(matrix))
        )
        apart(f"the exported trees of {name} and the library", found, expected, tolerance)
        total += stack.weights[name] * exported
    return total


def apart(
    what: str, found: NDArray[np.float64], expected: NDArray[np.float64], allowed: float
) -> float:
    """Return the largest difference; raises ParityError, naming its row, when it is too large."""
    difference = np.abs(found - expected)
    row = int(np.argmax(difference))
    largest = float(difference[row])
    if not largest <= allowed:
        message = (
            f"{what} disagree on row {row}: {float(found[row])} and {float(expected[row])}, apart "
            f"by {largest:.3g} where {allowed:.1e} is allowed; no bundle is written"
        )
        raise ParityError(message)
    return largest
