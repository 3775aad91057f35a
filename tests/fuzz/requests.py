"""Requests that are nearly right, sent to a real server, and what each answer must be."""

from collections import Counter
from random import Random

import msgspec

from predictor.training.columns import CONTRACT
from tests import generated
from tests.fuzz import decoders
from tests.protocol.raw import Answer, Connection

V1 = b"/v1/models/energy:predict"
V2 = b"/v2/models/energy/infer"
# Behind a damaged head: its end, and a request after whose answer the server closes.
SENTINEL = b"\r\n\r\nGET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TYPES = (
    b"application/json",
    b"application/octet-stream",
    b"text/plain",
    b"",
    b"APPLICATION/json;x",
)
PATHS = (
    V1,
    V2,
    V1 + b"?x=1",
    b"/v1/models/energy%3Apredict",
    b"/predict",
    b"/predict/batch",
    b"/x",
)


def send(url: str, cases: int, seed: int) -> Counter[int]:
    """Send cases one after the other; return how many were answered with each status.

    Raises AssertionError, with the case, for a status of 500 or more, for a connection that ends
    without an answer, and for an answer that does not come.
    """
    statuses: Counter[int] = Counter()
    connection: Connection | None = None
    for number in range(cases):
        random = Random(f"{seed} {number}")
        connection = connection or Connection(url)
        is_head = random.random() < 0.2
        case = head_case(random) if is_head else body_case(random)
        try:
            connection.send(case)
            answers = [connection.answer()]
            while is_head and not answers[-1].closes:
                answers.append(connection.answer())
        except (OSError, EOFError) as error:
            message = f"case {number}: {error!r} for {case!r}"
            raise AssertionError(message) from error
        for answer in answers:
            check(answer, number, case)
        statuses[answers[0].status] += 1
        if answers[-1].closes:
            connection.close()
            connection = None
    if connection:
        connection.close()
    return statuses


def check(answer: Answer, number: int, case: bytes) -> None:
    """Raise AssertionError for an answer that no request may get."""
    # What is no fault of the server's, but something of HTTP that it does not speak.
    assert answer.status < 500 or answer.status in {501, 505}, (
        f"case {number}: {answer.status} for {case!r}"
    )
    if answer.status >= 400 and dict(answer.headers)[b"content-type"] == b"application/json":
        assert list(msgspec.json.decode(answer.body)) == ["error"], case


def body_case(random: Random) -> bytes:
    """Return a request whose body, type or path is not as it should be."""
    target = random.choice(["v1", "v2", "binary"])
    path = V1 if target == "v1" else V2
    body = decoders.made(target, random)
    length = b""
    if target == "binary":
        length = b"%d" % int.from_bytes(body[: decoders.LENGTH_BYTES], "little")
        body = body[decoders.LENGTH_BYTES :]
    for _ in range(random.choice([0, 1, 1, 2])):
        body = decoders.mutated(body, random)
    kind = TYPES[target == "binary"]
    if random.random() < 0.05:
        kind, path = random.choice(TYPES), random.choice(PATHS)
    if length and random.random() < 0.1:
        length = random.choice([b"0", b"-1", b"1", b"99999999999999999999", b"x", b"7.0"])
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Type: " + kind]
    if length:
        lines.append(b"Inference-Header-Content-Length: " + length)
    if random.random() < 0.1:
        return chunked(random, lines, body)
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def chunked(random: Random, lines: list[bytes], body: bytes) -> bytes:
    """Return a request whose body comes in two chunks."""
    cut = random.randint(0, len(body))
    chunks = [b"%x\r\n%b\r\n" % (len(c), c) for c in (body[:cut], body[cut:]) if c]
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + b"".join(
        [*chunks, b"0\r\n\r\n"]
    )


def head_case(random: Random) -> bytes:
    """Return a request one line of whose head is damaged, and one that ends the connection."""
    row = generated.row(random, CONTRACT)
    body = msgspec.json.encode({"instances": [row]})
    lines = [b"POST " + V1 + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json", b"A: b"]
    place = random.randrange(len(lines))
    lines[place] = generated.damaged(random, lines[place])
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body]) + SENTINEL
