"""Events of the log as lines, which nobody from outside can forge."""

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

from predictor.errors import InvalidInput

FIELDS = "fields"
# Their words quote what they were given, which may be a part of a request.
QUOTING = (InvalidInput, ValueError, LookupError)
LEFT_OUT = "(its words are left out, for they may quote a request)"


def fields(**of_event: object) -> dict[str, object]:
    """Return a logger's `extra` that gives a line fields of its own."""
    return {FIELDS: of_event}


def as_json(record: logging.LogRecord) -> str:
    """Return an event as one object of JSON, in ASCII: nothing in it moves a terminal's cursor."""
    event = {
        "time": _time(record),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
        "pid": record.process,
        **getattr(record, FIELDS, {}),
    }
    if error := _error(record):
        event["exception"] = told(error)
    return json.dumps(event, default=str).replace("\x7f", "\\u007f")


def as_text(record: logging.LogRecord) -> str:
    """Return an event for people; only an exception has more lines, and they are indented."""
    pairs = [f"{key}={value}" for key, value in getattr(record, FIELDS, {}).items()]
    start = f"{_time(record)} {record.levelname} {record.process}"
    lines = [" ".join([start, _message(record), *pairs])]
    if error := _error(record):
        lines += [f"    {line}" for line in told(error).split("\n")]
    return "\n".join(map(_visible, lines))


def told(error: BaseException) -> str:
    """Return an error's traceback and those of what led to it, without words of a client."""
    return "\n".join(map(_told, _chain(error)))


def _told(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    words = LEFT_OUT if isinstance(error, QUOTING) else str(error)
    return f"Traceback (most recent call last):\n{frames}{type(error).__qualname__}: {words}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield what led to an error, then itself, then what it is a group of."""
    seen, links = set[int](), list[BaseException]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    yield from reversed(links)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _chain(part)


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _time(record: logging.LogRecord) -> str:
    """Return when an event was, by ISO 8601 in UTC."""
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a library's arguments do not fit its message
        return str(record.msg)


def _visible(text: str) -> str:
    """Return a text with all that is not printable escaped, such as newlines and colours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
