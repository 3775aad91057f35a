"""One row, one answer: the same bits whatever the protocol, its form and the way to the model."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import grpc
import msgspec
import numpy as np
import pytest

from predictor.contract import Row
from predictor.serving.backlog import SMALL_BYTES
from predictor.serving.grpc.inference_pb2 import ModelInferResponse
from predictor.training.columns import CONTRACT
from tests import generated
from tests.fuzz.decoders import columns, matrix, message, packed
from tests.protocol.process import Server, running
from tests.protocol.raw import Connection

ENDS = ("usage_kwh", "lower", "upper")
V1 = "/v1/models/energy:predict"
V2 = "/v2/models/energy/infer"
ROWS = 40
LENGTH = "Inference-Header-Content-Length"

# Three numbers as their bytes, in the order of ENDS.
Bits = bytes
# What makes a request of a head, without its end, and a body.
WAYS: dict[str, Callable[[str, bytes], bytes]] = {
    "short": lambda head, body: f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body,
    "chunked": lambda head, body: (
        f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode()
        + body
        + b"\r\n0\r\n\r\n"
    ),
}


@pytest.fixture(scope="module")
def roomy(bundle_folder: Path) -> Iterator[Server]:
    """Yield a server that takes requests so large that they are answered beside the others."""
    with running(bundle_folder) as server:
        yield server


@pytest.fixture(scope="module")
def connection(roomy: Server) -> Iterator[Connection]:
    with Connection(roomy.url) as connection:
        yield connection


def ask(
    connection: Connection, way: str, path: str, body: bytes, header: str = ""
) -> tuple[dict[bytes, bytes], bytes]:
    """Return an answer's headers and body."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{header}"
    connection.send(WAYS[way](head, body))
    answer = connection.answer()
    assert answer.status == 200, answer
    return dict(answer.headers), answer.body


def bits(*ends: float) -> Bits:
    return struct.pack("3d", *ends)


def padded(body: bytes) -> bytes:
    """Return JSON that is large, and says the same."""
    return body + b" " * SMALL_BYTES


def by_v1(connection: Connection, way: str, body: bytes) -> Bits:
    found = msgspec.json.decode(ask(connection, way, V1, body)[1])
    return bits(*(found[name][0] for name in ("predictions", "lower", "upper")))


def by_v2(connection: Connection, way: str, body: bytes, header: str = "") -> Bits:
    headers, content = ask(connection, way, V2, body, header)
    length = int(headers.get(LENGTH.lower().encode(), len(content)))
    outputs = msgspec.json.decode(content[:length])["outputs"]
    assert tuple(output["name"] for output in outputs[:3]) == ENDS
    if length < len(content):
        return content[length : length + 24]  # three numbers of 64 bits, as they are sent
    return bits(*(output["data"][0] for output in outputs[:3]))


def binary(tensors: list[dict[str, Any]], spaces: int = 0) -> tuple[bytes, str]:
    """Return a body with bytes behind its JSON that wants bytes back, and its header."""
    json, behind = packed(tensors)
    wants = {"parameters": {"binary_data_output": True}}
    json = msgspec.json.encode(msgspec.json.decode(json) | wants) + b" " * spaces
    return json + behind, f"{LENGTH}: {len(json)}\r\n"


def by_grpc(channel: grpc.Channel, tensors: list[dict[str, Any]], *, raw: bool) -> Bits:
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=None,
        response_deserializer=ModelInferResponse.FromString,
    )
    answer: Any = call(message(tensors, raw=raw).SerializeToString(), timeout=10)
    if raw:
        return b"".join(answer.raw_output_contents[:3])
    return bits(*(output.contents.fp64_contents[0] for output in answer.outputs[:3]))


def by_plain(connection: Connection, way: str, row: Row, spaces: int = 0) -> list[Bits]:
    body = msgspec.json.encode(row) + b" " * spaces
    one = msgspec.json.decode(ask(connection, way, "/predict", body)[1])
    many = msgspec.json.decode(ask(connection, way, "/predict/batch", b"[%b]" % body)[1])
    names = ("predicted_usage_kwh", "lower", "upper")
    return [bits(*(found[n] for n in names)) for found in (one, *many["predictions"])]


def test_a_row_gets_the_same_bits_by_every_protocol_and_every_way(
    roomy: Server, connection: Connection
) -> None:
    random = Random(3)
    answers = set()
    with grpc.insecure_channel(roomy.grpc) as channel:
        for _ in range(ROWS):
            row = generated.row(random, CONTRACT)
            found = dict(every_answer(connection, channel, row))
            assert len(set(found.values())) == 1, (row, found)
            answers |= set(found.values())
    assert len(answers) > ROWS / 2
    assert all(np.isfinite(np.frombuffer(answer)).all() for answer in answers)


def every_answer(
    connection: Connection, channel: grpc.Channel, row: Row
) -> Iterator[tuple[str, Bits]]:
    """Yield a row's answers, each with how it was asked for."""
    forms = {"columns": columns([row]), "matrix": [matrix([row])]}
    for way in WAYS:
        for name, rows in (("object", [row]), ("array", [list(row.values())])):
            body = msgspec.json.encode({"instances": rows})
            yield f"V1 {name} {way}", by_v1(connection, way, body)
            yield f"V1 {name} {way} large", by_v1(connection, way, padded(body))
        for name, tensors in forms.items():
            body = msgspec.json.encode({"inputs": tensors})
            yield f"V2 {name} {way}", by_v2(connection, way, body)
            yield f"V2 {name} {way} large", by_v2(connection, way, padded(body))
            for spaces in (0, SMALL_BYTES):
                content, header = binary(tensors, spaces)
                yield f"V2 binary {name} {way} {spaces}", by_v2(connection, way, content, header)
        for spaces in (0, SMALL_BYTES):
            for number, found in enumerate(by_plain(connection, way, row, spaces)):
                yield f"plain {way} {spaces} {number}", found
    for name, tensors in forms.items():
        for raw in (True, False):
            yield f"gRPC {name} {raw}", by_grpc(channel, tensors, raw=raw)
