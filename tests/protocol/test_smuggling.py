"""Requests that two parsers may read differently: each has one meaning here, or is refused.

Whoever sits in front counts requests by RFC 9112. If it takes something for one request and this
server takes it for two, the second is one that nobody in front has looked at, and its answer goes
to whoever asks next.
"""

import pytest

from predictor.contract import Row
from tests.protocol.process import Server
from tests.protocol.raw import Answer, Connection
from tests.protocol.test_express import V1, post, v1

HIDDEN = b"GET /v2/health/live HTTP/1.1\r\nHost: hidden\r\n\r\n"
GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n"
POST = b"POST " + V1 + b" HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
TE = b"Transfer-Encoding: "
CL = b"Content-Length: "
END = b"\r\n0\r\n\r\n"


def with_length(value: bytes) -> bytes:
    return POST + CL + value + b"\r\n\r\n" + HIDDEN


def with_coding(value: bytes) -> bytes:
    return POST + TE + value + b"\r\n\r\n0\r\n\r\n" + HIDDEN


# By what is wrong with each; what is behind the head could be a body, or a request of its own.
REFUSED = {
    "one length twice": POST + CL + b"2\r\n" + CL + b"2\r\n\r\nhi" + HIDDEN,
    "two lengths": POST + CL + b"0\r\n" + CL + b"%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "two lengths, the other way": POST + CL + b"%d\r\n" % len(HIDDEN) + CL + b"0\r\n\r\n" + HIDDEN,
    "a list of lengths": with_length(b"2, 2"),
    "two lengths in one": with_length(b"0 47"),
    "a length with plus": with_length(b"+0"),
    "a length below zero": with_length(b"-1"),
    "a hexadecimal length": with_length(b"0x0"),
    "a length with an underscore": with_length(b"0_0"),
    "a length beyond 64 bits": with_length(b"18446744073709551616"),
    "a length of many digits": with_length(b"9" * 1000),
    "an empty length": with_length(b""),
    "a length and chunks": POST + CL + b"4\r\n" + TE + b"chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks and a length": POST + TE + b"chunked\r\n" + CL + b"4\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked, as two headers": POST + (TE + b"chunked\r\n") * 2 + b"\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": with_coding(b"chunked, chunked"),
    "xchunked": with_coding(b"xchunked"),
    "chunkedx": with_coding(b"chunkedx"),
    "chunked with a parameter": with_coding(b"chunked;a=b"),
    "chunked in quotes": with_coding(b'"chunked"'),
    "chunked behind a vertical tab": with_coding(b"\x0bchunked"),
    "chunked, then gzip": with_coding(b"chunked, gzip"),
    "gzip, then chunked": with_coding(b"gzip, chunked"),
    "identity, then chunked": with_coding(b"identity, chunked"),
    "identity": with_coding(b"identity"),
    "an empty coding": with_coding(b""),
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\n" + TE + b"chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "xchunked on a GET": GET + TE + b"xchunked\r\n\r\n" + HIDDEN,
    "a folded header": GET + b"A: b\r\n c: d\r\n\r\n" + HIDDEN,
    "a fold before the first": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n" + HIDDEN,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a line without a return": b"GET / HTTP/1.1\nHost: x\n\n" + HIDDEN,
    "a header without a return": GET + b"A: b\nC: d\r\n\r\n" + HIDDEN,
    "an end without a return": GET + b"A: b\r\n\n" + HIDDEN,
    "a return without a line feed": GET + b"A: b\rC: d\r\n\r\n" + HIDDEN,
    "a space before a colon": POST + b"Content-Length : 47\r\n\r\n" + HIDDEN,
    "a tab before a colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a name without a value": GET + b"abc\r\n\r\n" + HIDDEN,
    "a value without a name": GET + b": abc\r\n\r\n" + HIDDEN,
    "zero in a value": GET + b"A: \0\r\n\r\n" + HIDDEN,
    "zero in a name": GET + b"A\0: b\r\n\r\n" + HIDDEN,
    "zero in the target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "no host": b"GET /v2/health/live HTTP/1.1\r\n\r\n" + HIDDEN,
    "two hosts": GET + b"Host: y\r\n\r\n" + HIDDEN,
    "HTTP/0.9": b"GET /v2/health/live\r\n\r\n" + HIDDEN,
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n" + HIDDEN,
    "HTTP/2 in a line of HTTP/1": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n" + HIDDEN,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "a small version": b"GET / http/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a small method": b"get / HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a target without a path": b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a body and another protocol": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 47\r\n\r\n"
    + HIDDEN,
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\nContent-Length: 47\r\n\r\n" + HIDDEN,
    "a chunk with plus": CHUNKED + b"+1\r\nx" + END + HIDDEN,
    "a chunk below zero": CHUNKED + b"-1\r\nx" + END + HIDDEN,
    "a chunk with 0x": CHUNKED + b"0x1\r\nx" + END + HIDDEN,
    "a chunk with a space": CHUNKED + b"1 \r\nx" + END + HIDDEN,
    "a chunk beyond 64 bits": CHUNKED + b"10000000000000001\r\nx" + END + HIDDEN,
    "a chunk without a size": CHUNKED + b"\r\nx" + END + HIDDEN,
    "a chunk without a return": CHUNKED + b"1\nx" + END + HIDDEN,
    "an extension without a return": CHUNKED + b"1;a\nx" + END + HIDDEN,
    "a chunk that is longer": CHUNKED + b"1\r\nxy" + END + HIDDEN,
    "a chunk without an end": CHUNKED + b"1\r\nx0\r\n\r\n" + HIDDEN,
    "a length among the trailers": CHUNKED + b"0\r\nContent-Length: 47\r\n\r\n" + HIDDEN,
}

# Whatever is in one of these is one request to all who keep to RFC 9112.
TAKEN = {
    "a length with zeros": (b"Content-Length: 00%d\r\n\r\n", b""),
    "a length before a space": (b"Content-Length: %d \r\n\r\n", b""),
    "a header with an underscore": (b"Content_Length: 0\r\nContent-Length: %d\r\n\r\n", b""),
}


def every_answer(connection: Connection) -> list[Answer]:
    """Return all that comes until the server closes."""
    found = []
    while True:
        try:
            found.append(connection.answer())
        except EOFError:
            return found


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
def test_what_is_ambiguous_is_refused_once_and_nothing_behind_it_is_answered(
    server: Server, name: str, pieces: str
) -> None:
    request = REFUSED[name]
    with Connection(server.url) as connection:
        if pieces == "at once":
            connection.send(request)
        else:
            connection.send(*(request[i : i + 1] for i in range(len(request))))
        found = every_answer(connection)
    assert [answer.status in {400, 501, 505} for answer in found] == [True]
    assert found[0].closes
    assert found[0].body.startswith(b'{"error":"')


@pytest.mark.parametrize("name", TAKEN)
def test_what_has_one_meaning_is_one_request(server: Server, row: Row, name: str) -> None:
    head, tail = TAKEN[name]
    body = v1(row)
    with Connection(server.url) as connection:
        connection.send(POST + head % len(body) + body + tail + HIDDEN)
        assert b"predictions" in connection.answer().body
        assert connection.answer().body == b'{"live":true}'


def test_extensions_and_trailers_are_no_part_of_a_request(server: Server, row: Row) -> None:
    body = v1(row)
    chunk = b"%x;name=value;other\r\n%b\r\n" % (len(body), body)
    trailers = b"0\r\nHost: y\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n"
    with Connection(server.url) as connection:
        connection.send(CHUNKED + chunk + trailers + HIDDEN)
        assert b"predictions" in connection.answer().body
        assert connection.answer().body == b'{"live":true}'


def test_an_absolute_target_is_its_path(server: Server, row: Row) -> None:
    with Connection(server.url) as connection:
        for _ in range(2):
            connection.send(post(b"http://else.where" + V1, v1(row)))
            assert b"predictions" in connection.answer().body


def test_another_protocol_is_not_changed_to(server: Server) -> None:
    with Connection(server.url) as connection:
        connection.send(GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", HIDDEN)
        [found] = every_answer(connection)
    assert (found.status, found.closes) == (200, True)


def test_what_is_behind_a_last_request_is_not_answered(server: Server, row: Row) -> None:
    last = post(V1, v1(row), (b"Connection", b"close"))
    for behind in (HIDDEN, last, b"\0", HIDDEN * 1000):
        with Connection(server.url) as connection:
            connection.send(last + behind)
            assert [answer.status for answer in every_answer(connection)] == [200]


@pytest.mark.parametrize("broken", [b"\0", CHUNKED + b"x\r\n", GET + b"A : b\r\n\r\n"])
def test_what_is_broken_is_refused_behind_the_answers_before_it(
    server: Server, row: Row, broken: bytes
) -> None:
    good = post(V1, v1(row))
    with Connection(server.url) as connection:
        connection.send(good * 3 + GET + b"\r\n" + broken + HIDDEN)
        found = [answer.status for answer in every_answer(connection)]
    assert found == [200, 200, 200, 200, 400]


def test_a_body_that_breaks_after_its_refusal_gets_no_second_one(server: Server) -> None:
    with Connection(server.url) as connection:
        wrong_type = b"Content-Type: text/plain\r\n"
        connection.send(POST + wrong_type + TE + b"chunked\r\n\r\n")
        assert connection.answer().status == 415
        connection.send(b"x\r\n" + HIDDEN)
        assert every_answer(connection) == []
