"""Puts this project's server and KServe's ModelServer under fire, and prints a table of each test.

Linux only. The clients are on one core and the server on another, where there are two.
"""

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import contenders
from benchmarks.contenders import NotInstalledError
from benchmarks.fire import drain, odd, overload, report, servers, slow, soak, subject, workers
from benchmarks.fire.report import Figures
from benchmarks.fire.servers import Kind, Server
from benchmarks.fire.subject import Subject
from benchmarks.processes import NotStartedError


@dataclass(frozen=True)
class Scenario:
    """A test: its mark on the page, what runs it, and how many workers the server has."""

    key: str
    name: str
    measure: Callable[[Server, Subject], Figures]
    workers: int = 1


def _scenarios(minutes: float) -> tuple[Scenario, ...]:
    one, many = partial(overload.measure, rows=1), partial(overload.measure, rows=1_000)
    return (
        Scenario("kill", "SIGKILL of a worker, 2 workers", workers.kill, 2),
        Scenario("metrics", "counts of 2 workers", workers.count, 2),
        Scenario("drain", "SIGTERM among kept-alive clients", drain.measure),
        Scenario("drain-2", "SIGTERM among kept-alive clients, 2 workers", drain.measure, 2),
        Scenario("overload-1", "more than can be done, one row", one),
        Scenario("overload-1000", "more than can be done, 1,000 rows", many),
        Scenario("slow-headers", "2,000 clients send the head slowly", slow.headers),
        Scenario("slow-bodies", "2,000 clients send the body slowly", slow.bodies),
        Scenario("slow-readers", "2,000 clients read nothing", slow.readers),
        Scenario("gone", "clients leave before the answer", slow.gone),
        Scenario("odd", "odd requests", odd.measure),
        Scenario("soak", "a long load", partial(soak.measure, minutes=minutes)),
    )


def main() -> None:
    """Run the scenarios, and print what was found."""
    options = _options()
    _allow_many_connections()
    asked = subject.read(options.bundle)
    try:
        kinds = [
            kind for kind in servers.kinds(options.environments) if options.server in kind.name
        ]
    except NotInstalledError as error:
        sys.exit(f"KServe's ModelServer cannot be installed: {error}")
    made = report.made(kinds, options.rounds)
    for scenario in _scenarios(options.minutes):
        if not options.only or any(scenario.key.startswith(word) for word in options.only):
            text = f"{made}\n\n{report.table(_found(scenario, kinds, asked, options))}"
            print(f"## {scenario.key}: {scenario.name}\n\n{text}\n", flush=True)
            if options.write:
                report.write(scenario.key, text)


def _allow_many_connections() -> None:
    """Let this process, and all that it starts, open as many files as the system does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _found(
    scenario: Scenario, kinds: list[Kind], asked: Subject, options: argparse.Namespace
) -> dict[str, Figures]:
    rounds: dict[str, list[Figures]] = {kind.name: [] for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
            print(f"round {number + 1}: {scenario.key}, {kind.name}", file=sys.stderr, flush=True)
            rounds[kind.name].append(_round(scenario, kind, asked))
    return {name: report.middle(found) for name, found in rounds.items()}


def _round(scenario: Scenario, kind: Kind, asked: Subject) -> Figures:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with servers.running(kind, asked, Path(scratch), scenario.workers) as server:
                return scenario.measure(server, asked)
        except NotStartedError as error:
            return {"did not start": str(error)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.fire", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="tests by how they begin")
    parser.add_argument("--write", action="store_true", help="put the figures on the page too")
    parser.add_argument("--minutes", type=float, default=10, help="of the soak")
    parser.add_argument("--server", default="", help="a word in the name of the only server")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(os.environ.get("BENCHMARK_ENVIRONMENTS", contenders.ROOT / ".benchmark-envs")),
        help="where KServe's SDK is installed, unless BENCHMARK_ENVIRONMENTS says it",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
