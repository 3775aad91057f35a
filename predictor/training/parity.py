"""The gate: no graph is kept that does not say, on every row, what its parts say without it."""

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Parity
from predictor.errors import ParityError
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


def check(
    problem: Problem, stack: Stack, calibration: Calibration, graph: Answers, native: Answers
) -> Parity:
    """Compare a graph's answers for a problem's rows with the sum of leaves, and the libraries'.

    Raises ParityError, naming the booster or the graph, the row and the difference, at the first
    that is too large.
    """
    width = np.max(problem.found.half_width[problem.found.known])
    tolerance = NATIVE_TOLERANCE * float(width * np.max(np.abs(problem.sample.target)))
    position = _sum_of_leaves(problem, stack, tolerance)
    exact = intervals.answer(problem.found, problem.groups, position, calibration)
    allowed = FLOAT64_TOLERANCE * float(np.max(np.abs(problem.dataset.target)))
    float64 = [
        apart(f"the graph's {end} and the sum of leaves", found, vars(exact)[end], allowed)
        for end, found in vars(graph).items()
    ]
    return Parity(
        float64=max(float64),
        native=apart("the graph and the libraries", graph.values, native.values, tolerance),
        tolerance=tolerance,
        rows=len(native.values),
    )


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
