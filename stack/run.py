"""Runs everything on this machine without Docker, until Ctrl+C: `make stack`.

python -m stack.run --bundle bundle --prefect .prefect-env/bin/prefect
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from stack.processes import Running, refuse_taken, running, wait, watch
from stack.services import PORTS, Service, StackError, all_of
from stack.started import STATE, noted
from stack.table import table


class _Asked:
    """Whether somebody has asked us to end."""

    def __init__(self) -> None:
        self._is_so = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        # It comes when the terminal is closed; nohup has it ignored.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._ask)

    def __call__(self) -> bool:
        return self._is_so

    def _ask(self, *_: object) -> None:
        self._is_so = True


def main() -> int:
    """Run the services whose programs are at hand."""
    options = _parser().parse_args()
    is_over = _Asked()
    try:
        _run(options, is_over)
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"), help="what is served")
    parser.add_argument("--prefect", type=Path, required=True, help="the program of its server")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of what they keep")
    parser.add_argument(
        "--port", action="append", type=_port, default=[], metavar="NAME=PORT", dest="ports"
    )
    return parser


def _port(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    if name not in PORTS or not port.isdecimal() or not 0 < int(port) < 2**16:
        message = f"{text!r}: expected NAME=PORT, with a NAME of {', '.join(PORTS)}"
        raise argparse.ArgumentTypeError(message)
    return name, int(port)


def _run(options: argparse.Namespace, is_over: _Asked) -> None:
    ports, state = PORTS | dict(options.ports), options.state.absolute()
    every = all_of(options.bundle.absolute(), state, options.prefect.absolute(), ports)
    found = [service for service in every if service.is_at_hand]
    used = {service.name for service in found} | {"grpc"}
    refuse_taken({name: port for name, port in ports.items() if name in used})
    with running(found, state) as started:
        wait(started, is_over)
        if is_over():
            return
        with noted(state, {each.service.name: each.service.url for each in started}):
            print(_said(every, started), flush=True)
            watch(started, is_over)
    print("all has ended")


def _said(every: list[Service], started: list[Running]) -> str:
    logs = {each.service.name: os.path.relpath(each.log) for each in started}
    rows = [
        (service.name, service.url, logs[service.name])
        if service.name in logs
        else (service.name, "left out", f"{service.command[0]} is not installed")
        for service in every
    ]
    return table([("service", "URL", "log"), *rows])


if __name__ == "__main__":
    sys.exit(main())
