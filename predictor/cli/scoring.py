"""The command that scores files."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Never

from predictor.cli import arguments
from predictor.cli.arguments import Commands
from predictor.errors import SettingsError

if TYPE_CHECKING:
    from tqdm import tqdm

    from predictor.scoring.run import Shard, Task

# Kubernetes sets it for each pod of an Indexed Job.
INDEX = "JOB_COMPLETION_INDEX"


def add(commands: Commands) -> None:
    """Add what predicts whole files."""
    score = commands.add_parser("score", help="predict the rows of files, with as many CPUs")
    score.add_argument("input", help="a file, a glob or a URL of CSV, Parquet or JSON Lines")
    score.add_argument("output", help="a file or a URL; its suffix tells the format")
    score.add_argument("--bundle", type=Path, default=Path("bundle"), help="the bundle's folder")
    score.add_argument("--strict", action="store_true", help="end at the first bad row")
    score.add_argument(
        "--shards",
        type=arguments.positive,
        metavar="COUNT",
        help="share the work with others who have the same files; the last merges",
    )
    score.add_argument(
        "--shard",
        type=arguments.natural,
        metavar="INDEX",
        help=f"which share is one's own, from 0; by default {INDEX}",
    )
    score.add_argument("--dask", metavar="ADDRESS", help="of a scheduler, tcp://HOST:PORT")
    score.set_defaults(run=_score, needs="pip install 'energy-predictor[score]'")


def _score(options: argparse.Namespace) -> None:
    if options.dask:
        options.needs = "pip install 'energy-predictor[score,dask]'"
    from predictor.scoring import run

    order = run.Order(
        options.input,
        options.output,
        options.bundle,
        options.strict,
        _shard(options),
        options.dask,
    )
    started = time.monotonic()
    with _ended_in_order(), _bar() as bar:
        counts = run.run(order, lambda task: _begin(bar, task), bar.update)
    seconds = time.monotonic() - started
    if counts is None:
        print(f"scored a shard of {options.shards} in {seconds:.1f} s; the others have not ended")
        return
    rows = counts.scored + counts.refused
    beside = f" into {options.output}.rejected.csv" if counts.refused else ""
    figures = f"{counts.refused:,} rejected{beside}, {seconds:.1f} s, {rows / seconds:,.0f} rows/s"
    print(f"wrote {options.output}: {counts.scored:,} rows, {figures}")


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """End at SIGTERM, which the first process of a container would not notice, without a trace."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _bar() -> "tqdm[Never]":
    """Return a bar with the rate and the time that is left, which only a terminal shows."""
    from tqdm import tqdm

    return tqdm(disable=not sys.stderr.isatty(), unit_scale=True, smoothing=0.1)


def _begin(bar: "tqdm[Never]", task: "Task") -> None:
    bar.unit = " rows" if task.is_rows else "B"
    bar.reset(task.size)
    bar.initial = bar.n = task.done  # which does not count for the rate
    bar.refresh()


def _shard(options: argparse.Namespace) -> "Shard | None":
    from predictor.scoring.run import Shard

    if options.shards is None:
        if options.shard is not None:
            message = "--shard is one of --shards COUNT: give that too"
            raise SettingsError(message)
        return None
    index = options.shard
    if index is None:
        found = os.environ.get(INDEX, "")
        if not found.isdecimal():
            message = f"{INDEX} is {found!r}, expected a whole number, or --shard INDEX"
            raise SettingsError(message)
        index = int(found)
    return Shard(index, options.shards)
