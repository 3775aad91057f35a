"""What is fuzzed: each decoder from the bytes of a body, and what it must hold to.

Of whatever bytes, a decoder gives rows that the contract allows, or raises InvalidInput.
"""

import re
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
from google.protobuf.message import DecodeError

from predictor.contract import Row
from predictor.errors import InvalidInput
from predictor.serving.decoding import binary, rows
from predictor.serving.decoding.batch import Batch, Limits, encode
from predictor.serving.engine import Engine
from predictor.serving.grpc import messages
from predictor.serving.grpc.inference_pb2 import ModelInferRequest
from predictor.serving.rest import v1, v2
from predictor.serving.rest.http import Request
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from predictor.training.columns import CONTRACT
from tests import generated

MAX_ROWS = 50
# Bytes of a case of V2's that say how long its JSON is.
LENGTH_BYTES = 2

MANIFEST = SimpleNamespace(contract=CONTRACT, name="energy", profile=None)
ENGINE: Any = SimpleNamespace(manifest=MANIFEST, predict=None)
SERVICE = Service(cast(Engine, ENGINE), Settings(max_rows=MAX_ROWS))
LIMITS = Limits(CONTRACT)


def check(batch: Batch) -> Batch:
    """Return a batch that the graph can be fed; raises AssertionError for any other."""
    columns = batch.columns
    assert columns.dtype == np.float64
    assert columns.ndim == 2
    assert 1 <= len(columns) <= MAX_ROWS
    assert LIMITS.check(columns, lambda _row, _column: "a value that no column takes") is not None
    return batch


def read_v1(case: bytes) -> Batch:
    """Read V1's body, as the strict decoder reads it too."""
    expected = outcome(lambda: encode(CONTRACT, rows.rows_of(rows.decode_json(case)), MAX_ROWS))
    found = outcome(lambda: v1.decode(SERVICE, Request([case], {}), SERVICE.engine)[0])
    if isinstance(expected, Batch) and isinstance(found, Batch):
        assert found.columns.tobytes() == expected.columns.tobytes()
        return check(found)
    # Only how deep JSON may be nested depends on where it is decoded.
    assert str(found) == str(expected) or "recursion" in f"{found}{expected}"
    assert isinstance(found, InvalidInput)
    raise found


def outcome(read: Callable[[], Batch]) -> Batch | InvalidInput:
    """Return what a decoder returns or raises."""
    try:
        return read()
    except InvalidInput as error:
        return error


def read_v2(case: bytes) -> Batch:
    """Read V2's body of JSON."""
    return check(v2.decode(SERVICE, Request([case], {}), SERVICE.engine)[0])


def read_binary(case: bytes) -> Batch:
    """Read V2's body of JSON with bytes behind it, whose first two say how long the JSON is."""
    length = int.from_bytes(case[:LENGTH_BYTES], "little")
    headers = {v2.HEADER: str(length).encode()}
    return check(v2.decode(SERVICE, Request([case[LENGTH_BYTES:]], headers), SERVICE.engine)[0])


def read_grpc(case: bytes) -> Batch:
    """Read the bytes of a message."""
    try:
        request = ModelInferRequest.FromString(case)
    except DecodeError as error:
        message = "the message is none"
        raise InvalidInput(message) from error
    return check(messages.decode(SERVICE, request, SERVICE.engine)[0])


def columns(sent: list[Row]) -> list[dict[str, Any]]:
    """Return rows as V2's JSON, a tensor for each column."""
    found = []
    for column in CONTRACT.columns:
        values = [row[column.name] for row in sent]
        if column.datatype == "INT64" and not all(type(value) is int for value in values):
            values = [int(column.encode(value)) for value in values]
        found.append(
            {
                "name": column.name,
                "shape": [len(sent)],
                "datatype": column.datatype,
                "data": values,
            }
        )
    return found


def matrix(sent: list[Row]) -> dict[str, Any]:
    """Return rows as V2's JSON, one tensor of numbers."""
    data = CONTRACT.encode_rows(sent)
    return {"name": "rows", "shape": [len(sent), len(data[0])], "datatype": "FP64", "data": data}


def blob(tensor: dict[str, Any]) -> bytes:
    """Return a tensor's data as bytes."""
    if tensor["datatype"] == "BYTES":
        texts = [text.encode() for text in tensor["data"]]
        return b"".join(binary.LENGTH.pack(len(text)) + text for text in texts)
    return np.array(tensor["data"], binary.DTYPES[tensor["datatype"]]).tobytes()


def packed(tensors: list[dict[str, Any]]) -> tuple[bytes, bytes]:
    """Return a request of V2 as its JSON and the bytes behind it."""
    blobs = [blob(tensor) for tensor in tensors]
    bare = [
        {key: value for key, value in tensor.items() if key != "data"}
        | {"parameters": {"binary_data_size": len(content)}}
        for tensor, content in zip(tensors, blobs, strict=True)
    ]
    return msgspec.json.encode({"inputs": bare}), b"".join(blobs)


FIELDS = {"FP64": "fp64_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}


def message(tensors: list[dict[str, Any]], *, raw: bool) -> ModelInferRequest:
    """Return a request of gRPC, with typed or raw contents."""
    request = ModelInferRequest(model_name="energy")
    for tensor in tensors:
        added = request.inputs.add(
            name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"]
        )
        if raw:
            request.raw_input_contents.append(blob(tensor))
            continue
        values = np.array(tensor["data"]).ravel().tolist()
        if tensor["datatype"] == "BYTES":
            values = [value.encode() for value in values]
        getattr(added.contents, FIELDS[tensor["datatype"]]).extend(values)
    return request


def with_length(parts: tuple[bytes, bytes]) -> bytes:
    return len(parts[0]).to_bytes(LENGTH_BYTES, "little") + b"".join(parts)


def made(target: str, random: Random) -> bytes:
    """Return a case that a decoder takes."""
    sent = [generated.row(random, CONTRACT) for _ in range(random.randint(1, 4))]
    if target == "v1":
        listed = random.choice([sent, [list(row.values()) for row in sent]])
        return msgspec.json.encode({random.choice(rows.ROWS_KEYS): listed})
    tensors = random.choice([columns(sent), [matrix(sent)]])
    if target == "v2":
        return msgspec.json.encode({"inputs": tensors})
    if target == "grpc":
        return message(tensors, raw=random.random() < 0.5).SerializeToString()
    return with_length(packed(tensors))


NUMBER = re.compile(rb"(?<=[:,[])-?[0-9][0-9.eE+-]*")


def mutated(case: bytes, random: Random) -> bytes:
    """Return a case with one number of its JSON changed, or damaged anywhere."""
    numbers = list(NUMBER.finditer(case))
    if not numbers or random.random() < 0.5:
        return generated.damaged(random, case)
    found = random.choice(numbers)
    number = random.choice([*generated.ODD, *[b"%d" % random.randint(0, 100)] * len(generated.ODD)])
    return case[: found.start()] + number + case[found.end() :]


READ: dict[str, Callable[[bytes], Batch]] = {
    "v1": read_v1,
    "v2": read_v2,
    "binary": read_binary,
    "grpc": read_grpc,
}
