"""The file that says what was started here, and where: `make verify` reads it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

STATE = Path(".stack")
NAME = "started.json"


@contextmanager
def noted(state: Path, urls: Mapping[str, str]) -> Iterator[None]:
    """Say which services run, by their URLs, for as long as they do."""
    file = state / NAME
    file.write_bytes(msgspec.json.encode(urls))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def urls_in(state: Path) -> dict[str, str]:
    """Return the URLs of the services that `make stack` runs: none when it does not."""
    try:
        content = (state / NAME).read_bytes()
    except FileNotFoundError:
        return {}
    return msgspec.json.decode(content, type=dict[str, str])
