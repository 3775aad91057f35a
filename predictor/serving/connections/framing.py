"""What a request's head must be, so that it has one meaning to this server and to any before it.

llhttp refuses most of what is ambiguous by RFC 9112: both lengths, two of one, bad numbers, line
ends and white space. Here is what it leaves.
"""

from collections.abc import Sequence

import httptools
from starlette.exceptions import HTTPException

# A piece of what is read that is parsed at once.
SLICE_BYTES = 8 * 1024
HEAD_BYTES = 64 * 1024
TARGET_BYTES = 8 * 1024
HEADERS = 128

Headers = Sequence[tuple[bytes, bytes]]


def check(version: str, method: bytes, target: bytes, headers: Headers) -> None:
    """Raise HTTPException when a head is too large, or not as RFC 9112 has it."""
    check_size(target, headers, 0)
    if version not in {"1.0", "1.1"}:
        raise HTTPException(505, "send HTTP/1.1")
    if method == b"CONNECT":
        raise HTTPException(501, "this is no proxy")
    if not target.startswith(b"/") and not httptools.parse_url(target).path:
        raise HTTPException(400, "the target has no path")
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise HTTPException(400, "send one header Host")
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and version == "1.0":
        raise HTTPException(400, "HTTP/1.0 has no Transfer-Encoding")
    if any(coding.lower() != b"chunked" for coding in codings):
        raise HTTPException(501, "send the header Transfer-Encoding: chunked, or none")


def check_size(target: bytes, headers: Headers, size_bytes: int) -> None:
    """Raise HTTPException when a head, of which so much has come, is too large."""
    if len(target) > TARGET_BYTES:
        raise HTTPException(414, f"the target is over {TARGET_BYTES} bytes")
    if len(headers) > HEADERS:
        raise HTTPException(431, f"there are over {HEADERS} headers")
    if size_bytes > HEAD_BYTES:
        raise HTTPException(
            431, f"the headers, or what frames the body, are over {HEAD_BYTES} bytes"
        )
