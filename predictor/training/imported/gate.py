"""The gate: no bundle is made of a graph that does not answer as the model's own library does."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.bundle import Parity
from predictor.contract import Contract
from predictor.errors import ExperimentError, ParityError
from predictor.training.imported import examples
from predictor.training.imported.model import Answer, Model, Rows

SEED = 0
# The graph adds up float64, as the judge without ONNX does, and only the order may differ; a link
# behind the sum makes a little more of that. A share of the largest answer.
FLOAT64_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Judged:
    """What the graph and the library said to the examples, and how far they were apart on all."""

    found: Answer
    native: Answer
    parity: Parity


def check(model: Model, contract: Contract, rows: Rows) -> Judged:
    """Compare the graph with the library on the examples, and on rows drawn from the contract.

    Numbers may differ by the model's tolerance, and so may probabilities; the classes must be the
    same unless the two likeliest are nearer than that. Raises ParityError, naming the largest
    difference and its row.
    """
    judged = _compare("example", model, contract, rows)
    drawn = examples.drawn(contract, model, rows, SEED)
    other = _compare("drawn row", model, contract, drawn).parity
    own = judged.parity
    parity = Parity(
        float64=max(own.float64, other.float64),
        native=max(own.native, other.native),
        tolerance=max(own.tolerance, other.tolerance),
        rows=own.rows + other.rows,
    )
    return Judged(judged.found, judged.native, parity)


def _compare(what: str, model: Model, contract: Contract, rows: Rows) -> Judged:
    found, native = _found(model, contract, rows), _native(model, contract, rows)
    largest = float(np.max(np.abs(native.judged), initial=0.0))
    place = _Place(what, contract, rows)
    apart = place.apart("the model's library", found, native, model.tolerance * largest)
    exact = apart
    if model.exact:
        expected = model.exact(rows)
        exact = place.apart("the sum of leaves", found, expected, FLOAT64_TOLERANCE * largest)
    place.same_class(found, native, model.tolerance * largest)
    parity = Parity(exact, apart, model.tolerance * largest, len(rows))
    return Judged(found, native, parity)


def _found(model: Model, contract: Contract, rows: Rows) -> Answer:
    try:
        outputs = graph.predict(graph.load(model.graph), contract, rows)
        graph.check(outputs, contract, len(rows))
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        message = f"the graph that was made of the model cannot be run: {error}"
        raise ExperimentError(message) from error
    return Answer(outputs.values, outputs.probabilities)


def _native(model: Model, contract: Contract, rows: Rows) -> Answer:
    try:
        answer = model.native(rows)
    except Exception as error:  # of any library
        message = (
            f"the model refuses rows that input_schema allows ({error}): give the range and the "
            "categories that it was fitted on, and `optional` only to what it takes missing"
        )
        raise ExperimentError(message) from error
    classes = len(contract.target.classes)
    if answer.probabilities.shape[1] != classes:
        message = f"the model has {answer.probabilities.shape[1]} classes, target.classes {classes}"
        raise ExperimentError(message)
    return answer


@dataclass(frozen=True)
class _Place:
    """The rows that are compared, to say which one it is."""

    what: str
    contract: Contract
    rows: Rows

    def apart(self, whom: str, found: Answer, expected: Answer, allowed: float) -> float:
        """Return the largest difference, or refuse it."""
        difference: NDArray[np.float64] = np.abs(found.judged - expected.judged).max(axis=1)
        row = int(np.argmax(difference))
        largest = float(difference[row])
        if not largest <= allowed:
            values = f"{found.judged[row].tolist()} and {expected.judged[row].tolist()}"
            message = (
                f"the graph and {whom} disagree on {self._row(row)}: {values}, apart by "
                f"{largest:.3g} where {allowed:.1e} is allowed; no bundle is written"
            )
            raise ParityError(message)
        return largest

    def same_class(self, found: Answer, native: Answer, tie: float) -> None:
        """Refuse another class than the library's, unless two are as likely."""
        if not native.probabilities.size:
            return
        first, second = np.sort(native.probabilities, axis=1)[:, :-3:-1].T
        wrong = (found.values != native.values) & (first - second > 2 * tie)
        if wrong.any():
            row = int(np.argmax(wrong))
            classes = self.contract.target.classes
            said, expected = (classes[int(each.values[row])] for each in (found, native))
            message = (
                f"the graph says {said}, the model {expected} of {self._row(row)}; a class must be "
                "the one with the highest probability; no bundle is written"
            )
            raise ParityError(message)

    def _row(self, row: int) -> str:
        values = zip(self.contract.columns, self.rows[row], strict=True)
        shown = ", ".join(f"{column.name} {column.decode(value)}" for column, value in values)
        return f"{self.what} {row} ({shown})"
