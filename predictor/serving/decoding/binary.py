"""The binary data extension of the Open Inference Protocol: tensors as bytes behind the JSON.

A header says how long the JSON is, and each tensor's parameters how many of the bytes behind it
are the tensor's. Numbers are little-endian; an element of BYTES is its length, four bytes, and then
its own bytes, here UTF-8.
"""

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InvalidInput

HEADER = "Inference-Header-Content-Length"
CONTENT_TYPE = "application/octet-stream"
LENGTH = Struct("<I")
DTYPES = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BOOL": "|b1",
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}


def split(body: bytes, length: bytes) -> tuple[bytes, bytes]:
    """Return the JSON of a body and what is behind it; `length` is the header's value."""
    if not length.isdigit() or len(length) > len(str(len(body))) or int(length) > len(body):
        message = f"header {HEADER}: expected a length up to {len(body)}"
        raise InvalidInput(message)
    return body[: int(length)], body[int(length) :]


def elements(name: str, datatype: str, content: bytes) -> NDArray[Any] | list[str]:
    """Return the elements of a tensor of one of DTYPES or BYTES; raises InvalidInput."""
    if datatype == "BYTES":
        return _texts(name, content)
    dtype = np.dtype(DTYPES[datatype])
    if len(content) % dtype.itemsize:
        message = f"input {name}: got {len(content)} bytes, expected a multiple of {dtype.itemsize}"
        raise InvalidInput(message, name)
    return np.frombuffer(content, dtype)


def encode(array: NDArray[Any]) -> bytes:
    """Return an array's elements in row-major order; objects are texts."""
    if array.dtype == np.object_:
        return b"".join(_packed(text) for text in array.ravel().tolist())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _packed(element: str) -> bytes:
    content = element.encode()
    return LENGTH.pack(len(content)) + content


def _texts(name: str, content: bytes) -> list[str]:
    found: list[str] = []
    start = 0
    while start < len(content):
        end = start + LENGTH.size
        if end <= len(content):
            start, end = end, end + LENGTH.unpack_from(content, start)[0]
        if end > len(content):
            message = f"input {name}, element {len(found)}: its length is over the tensor's bytes"
            raise InvalidInput(message, name)
        found.append(text(name, len(found), content[start:end]))
        start = end
    return found


def text(name: str, number: int, content: bytes) -> str:
    """Return an element of BYTES as text; raises InvalidInput, naming it by its number."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        message = f"input {name}, element {number}: got bytes that are not UTF-8"
        raise InvalidInput(message, name) from error
