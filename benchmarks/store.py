"""A server of S3 over a folder, by versitygw: what object stores are measured and tested with."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from benchmarks.processes import free_ports, started, wait

KEY = BUCKET = "plant"


def _free_port() -> int:
    [port] = free_ports(1)
    return port


@dataclass(frozen=True)
class Store:
    """A server, given its program, and its folder; its objects are files, seen without it too."""

    program: Path
    folder: Path
    port: int = field(default_factory=_free_port)
    secret: str = field(default_factory=token_hex)

    @property
    def bucket(self) -> Path:
        """Return the folder of the objects of its one bucket."""
        return self.folder / "objects" / BUCKET

    @property
    def url(self) -> str:
        """Return where it is found."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells a client of it, and keeps it from looking elsewhere."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run it while the block does."""
        self.bucket.mkdir(parents=True, exist_ok=True)
        options = ("--quiet", "--port", f"127.0.0.1:{self.port}")
        command = [str(self.program.absolute()), *options, "posix", str(self.bucket.parent)]
        root = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": self.secret}
        log = self.folder / "log"
        with started(command, root, self.folder, log) as process:
            wait(process, log, lambda: socket.create_connection(("127.0.0.1", self.port)).close())
            yield
