"""Checks each service on this machine, and prints a table: `make verify`.

It is alike for `docker compose up` and for `make stack`. A service is absent when `make stack` does
not say that it runs, and nothing listens on its port. The predictor is never absent.
"""

import argparse
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stack.checks import FAILURES, Check, checks_of
from stack.services import HOST, NAMES, PORTS
from stack.started import STATE, urls_in
from stack.table import table

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Row:
    """What a check of a service came to."""

    service: str
    check: str
    result: str
    is_failed: bool = False


def main() -> int:
    """Check what runs; 1 when something that should run fails."""
    options = _parser().parse_args()
    rows = list(_rows(options))
    shown = [(row.service, row.check, row.result) for row in rows]
    print(table([("service", "check", "result"), *shown]))
    return int(any(row.is_failed for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verify", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"), help="what is served")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of `make stack`")
    parser.add_argument("--all", action="store_true", help="every service has to run")
    parser.add_argument(
        "--wait", type=float, default=30, metavar="SECONDS", help="for what is not well at once"
    )
    return parser


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    started = urls_in(options.state)
    deadline = time.monotonic() + options.wait
    for name in NAMES:
        url = started.get(name, f"http://{HOST}:{PORTS[name]}")
        is_wanted = options.all or name in started or name == "predictor"
        if not is_wanted and not _listens(url):
            yield Row(name, "–", "absent")
            continue
        for title, check in checks_of(name, url, options.bundle).items():
            yield _row(name, title, check, deadline)


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((parts.hostname, parts.port)) == 0


def _row(name: str, title: str, check: Check, deadline: float) -> Row:
    """Check until it is well or the time is up."""
    while True:
        try:
            return Row(name, title, f"ok: {check()}")
        except FAILURES as error:
            if time.monotonic() >= deadline:
                return Row(name, title, f"FAILED: {error}", is_failed=True)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
