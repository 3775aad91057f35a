"""Events as lines: what is in them, and that nobody from outside can make one up."""

import json
import logging
import re
from collections.abc import Callable

import pytest

from predictor.errors import InvalidInput
from predictor.serving.observability.lines import as_json, as_text, fields, told

# What ends a line somewhere, moves a terminal's cursor, or turns its text around.
CONTROLS = "\n\r\x00\x0b\x0c\x1b[31m\x1c\x7f\x85\x9b\u2028\u2029\u202e\udc80"
FORGED = f'x{CONTROLS}{{"level": "CRITICAL"}}'


def record(message: str, *arguments: object, **rest: object) -> logging.LogRecord:
    logger = logging.getLogger("predictor.test")
    extra = rest.get("extra")
    assert extra is None or isinstance(extra, dict)
    info = rest.get("error")
    error = info if isinstance(info, BaseException) else None
    found = (type(error), error, error.__traceback__) if error else None
    return logger.makeRecord(
        logger.name, logging.ERROR, "here.py", 1, message, arguments, found, extra=extra
    )


def raised(error: BaseException, because: BaseException | None = None) -> BaseException:
    """Return an error with its traceback, and what it was raised from."""
    with pytest.raises(type(error)) as found:
        raise error from because
    return found.value


def test_an_event_says_when_what_where_and_by_which_process() -> None:
    event = json.loads(as_json(record("%s went %d times", "it", 3, extra=fields(code=200))))
    time, pid = event.pop("time"), event.pop("pid")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert pid > 0
    assert event == {
        "level": "ERROR",
        "logger": "predictor.test",
        "message": "it went 3 times",
        "code": 200,
    }


def test_for_people_the_same_is_in_one_line() -> None:
    line = as_text(record("it went %s", "well", extra=fields(code=200, method="GET")))
    assert re.fullmatch(r"\S+Z ERROR \d+ it went well code=200 method=GET", line)


@pytest.mark.parametrize("write", [as_json, as_text])
@pytest.mark.parametrize("control", [*CONTROLS, CONTROLS])
def test_nothing_that_comes_from_outside_makes_a_line(
    write: Callable[[logging.LogRecord], str], control: str
) -> None:
    line = write(record("asked for %s", control, extra=fields(route=control)))
    if control not in "[31m":
        assert control not in line
    assert line.isprintable()
    assert len(line.splitlines()) == 1


def test_what_was_escaped_can_be_read_again() -> None:
    event = json.loads(as_json(record("%s", FORGED)))
    assert event["message"] == FORGED


def test_an_exception_is_one_field_of_one_line() -> None:
    error = raised(OSError("outer"), because=raised(RuntimeError(FORGED)))
    line = as_json(record("failed", error=error))
    assert line.isprintable()
    exception = json.loads(line)["exception"]
    assert exception.index("RuntimeError: x") < exception.index("OSError: outer")
    assert f'File "{__file__}"' in exception


def test_for_people_the_lines_of_an_exception_are_indented() -> None:
    first, *rest = as_text(record("failed", error=raised(RuntimeError(FORGED)))).split("\n")
    assert first.endswith(" failed")
    assert len(rest) > 2
    assert all(line.startswith("    ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("kind", [InvalidInput, ValueError, KeyError])
def test_errors_that_quote_a_request_have_their_words_left_out(kind: type[Exception]) -> None:
    words = "of a client"
    text = told(raised(RuntimeError("of the server"), because=raised(kind(words))))
    assert f"{kind.__name__}: (" in text
    assert "RuntimeError: of the server" in text
    assert words not in text


def test_what_was_hidden_on_purpose_stays_hidden() -> None:
    hidden, shown = RuntimeError("behind"), RuntimeError("before")
    shown.__context__ = hidden
    assert "behind" in told(shown)
    assert "behind" not in told(raised(shown))


def test_a_group_of_errors_tells_each() -> None:
    text = told(ExceptionGroup("together", [OSError("one"), OSError("two")]))
    assert "OSError: one" in text
    assert "OSError: two" in text


def test_errors_that_led_to_each_other_in_a_circle_are_told_once() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert told(first).count("RuntimeError: first") == 1


def test_a_message_whose_arguments_do_not_fit_is_told_as_it_is() -> None:
    assert json.loads(as_json(record("%d of %d", "one")))["message"] == "%d of %d"


def test_a_field_that_json_has_no_word_for_is_told_as_text() -> None:
    assert json.loads(as_json(record("failed", extra=fields(kind=OSError))))["kind"]
