"""The ids of requests."""

import re

import pytest

from predictor.serving.observability.arrivals import arrived, parent

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
TRACEPARENT = b"00-%b-%b-01" % (TRACE, SPAN)


@pytest.mark.parametrize("given", [b"a", b"!~" * 64, b"7b1c\"'\\=", b"x" * 128])
def test_a_request_has_the_id_that_its_client_gives_it(given: bytes) -> None:
    assert arrived(given, TRACEPARENT).request_id == given


@pytest.mark.parametrize(
    "given", [None, b"", b"x" * 129, b"a b", b"a\tb", b"a\n", b"\x1b[31m", b"\x7f", "é".encode()]
)
def test_an_id_that_is_none_or_not_sane_is_not_taken(given: bytes | None) -> None:
    assert arrived(given, TRACEPARENT).request_id == TRACE
    assert re.fullmatch(rb"[0-9a-f]{32}", arrived(given, None).request_id)


def test_ids_that_are_made_up_differ() -> None:
    assert len({arrived(None, None).request_id for _ in range(1000)}) == 1000


@pytest.mark.parametrize("more", [b"", b"-", b"-of a version to come"])
def test_a_parent_of_a_later_version_is_read_as_far_as_it_is_known(more: bytes) -> None:
    found = parent(b"cc-%b-%b-01%b" % (TRACE, SPAN, more))
    assert found is not None
    assert (found.trace_id, found.span_id, found.flags) == (TRACE, SPAN, b"01")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00",
        TRACEPARENT[:-1],
        TRACEPARENT + b"0",
        TRACEPARENT + b"-more",
        b"\n" + TRACEPARENT,
        TRACEPARENT + b"\n",
        TRACEPARENT.upper(),
        b"ff" + TRACEPARENT[2:],
        b"cc" + TRACEPARENT[2:] + b"more",
        b"00-%b-%b-01" % (b"0" * 32, SPAN),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-0x" % (TRACE, SPAN),
    ],
)
def test_a_parent_that_is_not_valid_is_none(header: bytes) -> None:
    assert parent(header) is None
    assert arrived(None, header).request_id != TRACE
