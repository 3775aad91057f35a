"""Long JSON lists, read a piece at a time.

A decoder holds the interpreter until it has read all that it was given, and whoever else has a
request would wait for it. So a long list is cut at commas, and each piece is put in brackets. If
every piece is a list of its own that is not empty, then all of them together are what the whole
list holds: JSON has one reading. If one is not, because the comma was inside a string or the list
is no list, then it takes a look at the whole to tell what it is.
"""

import re
from collections.abc import Iterator

# One is read in about half a millisecond.
PIECE_BYTES = 64 * 1024
SPACE = rb"[ \t\n\r]*"
BETWEEN_ROWS = re.compile(rb"[]}]" + SPACE + b"(,)")
BETWEEN_ELEMENTS = re.compile(b"(,)")


def pieces(content: bytes, start: int, end: int, between: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield the items between two places as lists of about PIECE_BYTES, in order."""
    while end - start > PIECE_BYTES:
        comma = between.search(content, start + PIECE_BYTES, end)
        if comma is None:
            break
        yield b"[%b]" % content[start : comma.start(1)]
        start = comma.end()
    yield b"[%b]" % content[start:end]
