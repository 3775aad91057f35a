"""HTTP as bytes over a socket: what is sent is what a test says, and nothing is tidied up."""

import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

SECONDS = 10


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def closes(self) -> bool:
        return dict(self.headers).get(b"connection") == b"close"

    def without_date(self) -> "Answer":
        """Return what must be the same whenever it is asked for."""
        passing = {b"date", b"x-request-id"}
        kept = tuple(header for header in self.headers if header[0] not in passing)
        return Answer(self.status, kept, self.body)


class Connection:
    """A connection on which answers are read one after the other."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def reset_at_close(self) -> None:
        """Have this end closed without a farewell, as by a client that crashes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send(self, *parts: bytes) -> None:
        """Send bytes; each part is a segment of its own."""
        for part in parts:
            self.socket.sendall(part)

    def answer(self, *, has_body: bool = True) -> Answer:
        """Read one answer; raises EOFError when the connection ends before it does."""
        line = self._line()
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1", line
        headers = []
        while line := self._line():
            name, value = line.split(b": ", 1)
            headers.append((name, value))
        length = int(dict(headers).get(b"content-length", b"0")) if has_body else 0
        body = self._file.read(length)
        if len(body) < length:
            raise EOFError
        return Answer(int(status), tuple(headers), body)

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        return line[:-2]

    def is_closed(self) -> bool:
        """Wait for the end of the connection, before which nothing may come."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True
