"""Compares this project's server with others, for the same rows on the same machine.

Every round starts each server in turn, sees that its answers are right, sends it requests, ends it,
and runs the graph alone in a process of its own. The figures of docs/benchmarks.md are the medians
of the rounds; ratios are taken round by round.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import contenders, measuring, refit, report, ways
from benchmarks.contenders import CONTENDERS, Contender, NotInstalledError
from benchmarks.measuring import Subject
from benchmarks.report import Found
from predictor import bundle, graph
from predictor.contract import Row
from predictor.serving.settings import NAMES
from predictor.training import dataset
from predictor.training.tracks import TRACKS

MANY = 1_000
ENVIRONMENTS = "BENCHMARK_ENVIRONMENTS"


def main() -> None:
    """Measure, print, and write the page."""
    options = _options()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed; requests are sent with it")
    subject = _subject(bundle.read(options.bundle), options.environments)
    with tempfile.TemporaryDirectory() as scratch:
        found = Found(Path(scratch))
        usable = list(_usable(found, options).items())
        if not usable:
            sys.exit(f"no server can be measured: {found.left_out}")
        for number in range(options.rounds):
            start = number % len(usable)
            for contender, python in usable[start:] + usable[:start]:
                print(f"round {number + 1} of {options.rounds}: {contender.label}", flush=True)
                measuring.measure(found, subject, contender, python, options.seconds)
            found.bare.append(measuring.bare(subject, found.scratch))
    text = report.tables(found, subject.served.manifest)
    print(text)
    if not options.print_only:
        report.write(found, subject.served.manifest, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a load with one row")
    parser.add_argument("--only", nargs="*", default=[], help="words in the names of servers")
    parser.add_argument("--print-only", action="store_true", help="leave the page as it is")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(os.environ.get(ENVIRONMENTS, contenders.ROOT / ".benchmark-envs")),
        help=f"where servers are installed, unless {ENVIRONMENTS} says it",
    )
    return parser.parse_args()


def _subject(served: bundle.Bundle, cache: Path) -> Subject:
    """Return what is asked for: the first golden row, and more drawn from the training data."""
    manifest, contract = served.manifest, served.manifest.contract
    if manifest.track not in TRACKS:
        sys.exit(f"got a bundle of track {manifest.track}, expected one of {', '.join(TRACKS)}")
    drawn = np.random.default_rng(0).choice(dataset.load(contract).columns, MANY - 1)
    rows = manifest.golden.rows[:1] + [_row(served, cells) for cells in drawn.tolist()]
    columns = np.array(contract.encode_rows(rows), np.float64)
    expected = graph.predict(graph.load(served.model), contract, columns)[0].tolist()
    if abs(expected[0] - manifest.golden.predictions[0]) > bundle.GOLDEN_TOLERANCE * max(expected):
        sys.exit("the graph does not predict its golden row")
    by_size = {count: ways.made(manifest, rows[:count]) for count in (1, MANY)}
    return Subject(served, by_size, expected, refit.saved(manifest, cache))


def _row(served: bundle.Bundle, cells: list[float]) -> Row:
    """Return a row of the data as a client sends it."""
    columns = served.manifest.contract.columns
    return {column.name: column.decode(v) for column, v in zip(columns, cells, strict=True)}


def _usable(found: Found, options: argparse.Namespace) -> dict[Contender, Path]:
    """Return the contenders that can be started, with their Pythons; the others are named."""
    usable = {}
    for contender in CONTENDERS:
        if options.only and not any(word in contender.label for word in options.only):
            continue
        missing = [name for name in contender.needs if name not in NAMES]
        if missing:
            found.left_out[contender.label] = f"the server has no setting {missing[0]}"
            continue
        try:
            python = contenders.python(contender, options.environments)
            found.versions[contender.label] = contenders.versions(python, contender.packages)
        except (NotInstalledError, subprocess.CalledProcessError) as error:
            found.left_out[contender.label] = f"not installed: {error}"
        else:
            usable[contender] = python
    return usable


if __name__ == "__main__":
    main()
