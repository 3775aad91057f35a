"""Captured requests: lines of JSON, of the server's own capture or events of KServe's logger."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np

from predictor.captured import FILES, Line, located
from predictor.contract import Contract, quote
from predictor.drift.events import Answer, Row, answer_of, encoded, predicted, rows_of
from predictor.drift.sample import Sample
from predictor.errors import JSON_ERRORS, DataError, InvalidInput

EVENTS = "org.kubeflow.serving.inference."
REQUEST, RESPONSE = f"{EVENTS}request", f"{EVENTS}response"
UNKNOWN = Answer(None, is_refused=False)


class Event(msgspec.Struct):
    """A line of KServe's logger: a CloudEvent that holds a request or a response."""

    type: str
    data: msgspec.Raw
    id: str = ""
    time: str = ""


class _Kind(msgspec.Struct):
    specversion: str = ""


@dataclass(frozen=True)
class _Request:
    """The rows of one request, as the graph is fed, and an answer for each, NaN if not known."""

    time: str
    rows: list[list[float]]
    predictions: list[float]


def parse(content: bytes, contract: Contract, source: str) -> Sample:
    """Return the rows of captured requests, in the order of time where all of them have one.

    An event's answer is the response with its id; a request that was refused is left out. Raises
    DataError, naming the line, when one is not what was captured, or not what the contract allows.
    """
    return _parsed(list(_lines(content, source)), contract, source)


def read(folder: Path, contract: Contract) -> Sample:
    """Return the rows that a server captured in a folder, in the order of time.

    Raises DataError, naming the file and the line, and when they are of several models.
    """
    lines = list(located(folder))
    if not lines:
        message = f"{folder}: the folder has no captured rows, expected files {FILES}"
        raise DataError(message)
    names = sorted({line.model_name for _, line in lines})
    if len(names) > 1:
        message = f"{folder}: got rows of the models {', '.join(names)}, expected those of one"
        raise DataError(message)
    return _parsed(lines, contract, str(folder))


def _parsed(lines: Sequence[tuple[str, Line | Event]], contract: Contract, source: str) -> Sample:
    answers = _answers(lines, contract)
    requests = [r for line in lines for r in _requests(*line, contract, answers)]
    if not any(request.rows for request in requests):
        message = f"{source}: the file has no rows"
        raise DataError(message)
    if all(request.time for request in requests):
        requests.sort(key=lambda request: datetime.fromisoformat(request.time))
    return _sample(requests, source)


def _lines(content: bytes, source: str) -> Iterator[tuple[str, Line | Event]]:
    for number, text in enumerate(content.splitlines(), 1):
        if text.strip():
            where = f"{source}: line {number}"
            with _named(where):
                is_event = msgspec.json.decode(text, type=_Kind).specversion
                yield where, _event(text) if is_event else msgspec.json.decode(text, type=Line)


def _event(text: bytes) -> Event:
    found = msgspec.json.decode(text, type=Event)
    if found.time:
        try:
            is_utc = datetime.fromisoformat(found.time).tzinfo is not None
        except ValueError:
            is_utc = False
        if not is_utc:
            message = f"got the time {quote(found.time)}, expected ISO 8601 with its zone"
            raise InvalidInput(message)
    if found.type not in {REQUEST, RESPONSE}:
        message = f"got the type {quote(found.type)}, expected {REQUEST} or {RESPONSE}"
        raise InvalidInput(message)
    return found


def _answers(lines: Sequence[tuple[str, Line | Event]], contract: Contract) -> dict[str, Answer]:
    """Return the answers of KServe's events by their id."""
    found = {}
    for where, event in lines:
        if isinstance(event, Event) and event.type == RESPONSE and event.id:
            with _named(where):
                found[event.id] = answer_of(event.data, contract)
    return found


def _requests(
    where: str, found: Line | Event, contract: Contract, answers: dict[str, Answer]
) -> list[_Request]:
    """Return the request of a line, if there is one that was not refused."""
    with _named(where):
        if isinstance(found, Line):
            rows: list[Row] = [list(row) for row in found.rows]
            predictions = [predicted(value, contract) for value in found.predictions]
            return [_Request(found.time.isoformat(), encoded(rows, contract), predictions)]
        answer = answers.get(found.id, UNKNOWN)
        if found.type != REQUEST or answer.is_refused:
            return []
        return [_request(found.time, rows_of(found.data, contract), answer.predictions)]


def _request(time: str, rows: list[list[float]], predictions: list[float] | None) -> _Request:
    if predictions is None:
        predictions = [math.nan] * len(rows)
    if len(predictions) != len(rows):
        message = f"got {len(rows)} rows and {len(predictions)} predictions, expected as many"
        raise InvalidInput(message)
    return _Request(time, rows, predictions)


def _sample(requests: list[_Request], source: str) -> Sample:
    target = np.array([value for r in requests for value in r.predictions], np.float64)
    return Sample(
        source,
        np.array([row for r in requests for row in r.rows], np.float64),
        None if np.isnan(target).all() else target,
        tuple(r.time for r in requests for _ in r.rows) if all(r.time for r in requests) else (),
    )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say in an error from where it comes."""
    try:
        yield
    except (*JSON_ERRORS, InvalidInput) as error:
        message = f"{where}: {error}"
        raise DataError(message) from error
