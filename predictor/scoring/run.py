"""Scoring an input: its blocks, whoever scores them, and the output when all are there."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

import pyarrow as pa

from predictor import bundle, cpus, verify
from predictor.errors import ScoringError, StrictError
from predictor.scoring import inputs, merge, writing
from predictor.scoring.block import Job, score
from predictor.scoring.inputs import Kind
from predictor.scoring.parts import SUFFIX, Counts, Parts
from predictor.scoring.plan import Block, Plan, plan
from predictor.scoring.storage import Place, named, one_line, place

# A scheduler that is there answers sooner.
CONNECT_SECONDS = 30


@dataclass(frozen=True)
class Shard:
    """Which blocks are one's own: those whose number is `index` modulo `count`."""

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse an index that no block has."""
        if not 0 <= self.index < self.count:
            message = f"got shard {self.index} of {self.count}, expected from 0 to {self.count - 1}"
            raise ScoringError(message)


@dataclass(frozen=True)
class Order:
    """What is to be scored, by which bundle, and where to.

    `is_strict` ends it at the first bad row; `shard` is None for all blocks; `dask` is the address
    of a Dask scheduler.
    """

    input: str
    output: str
    bundle: Path
    is_strict: bool = False
    shard: Shard | None = None
    dask: str | None = None


@dataclass(frozen=True)
class Task:
    """How much is to be done, in rows or, of texts, in bytes, and how much was done before."""

    size: int
    done: int
    is_rows: bool


@dataclass(frozen=True)
class _Work:
    plan: Plan
    job: Job
    schema: pa.Schema
    parts: Parts
    output: Place


Begin = Callable[[Task], None]
Step = Callable[[int], object]


def run(order: Order, begin: Begin, step: Step) -> Counts | None:
    """Score an input, or go on where it was left; tell of the size of each block that is done.

    Returns None while parts of other shards are not there. Raises ScoringError and BundleError in
    one sentence; the parts that are there remain.
    """
    work = _prepared(order)
    found = _begun(order, work)
    if not found:
        try:
            with nullcontext() if order.shard else work.parts.alone():
                found = _scored(order, work, begin, step)
        except StrictError:
            if not order.shard:  # the row will be mended, and the parts be of no use
                work.parts.clear()
            raise
    if found and found.refused and order.is_strict:  # by one who was not strict
        beside = f"{order.output}{merge.REJECTED_SUFFIX}"
        message = f"{order.output} is there, but {found.refused} rows were refused: see {beside}"
        raise ScoringError(message)
    return found


def _scored(order: Order, work: _Work, begin: Begin, step: Step) -> Counts | None:
    """Score one's own blocks, and merge if all are there."""
    blocks, done = work.plan.blocks, work.parts.done()
    own = [block for block in blocks if _is_own(block, order.shard)]
    before = sum(block.size for block in own if block.number in done)
    is_rows = work.job.source.kind is Kind.PARQUET
    begin(Task(sum(block.size for block in own), before, is_rows))
    _score(order, work, [block for block in own if block.number not in done], step)
    with named(order.output):
        return _ended(order, work)


def _is_own(block: Block, shard: Shard | None) -> bool:
    return shard is None or block.number % shard.count == shard.index


def _prepared(order: Order) -> _Work:
    kind, output = inputs.kind_of(order.output), place(order.output)
    model = bundle.read(order.bundle)
    verify.answers_of(order.bundle, model)
    contract, version = model.manifest.contract, model.manifest.version
    source, files = inputs.find(order.input, contract)
    merge.require_apart([file.name for file in files], output)
    parts = output.at(output.path + SUFFIX).name
    work = plan(source, files, version, kind)
    return _Work(
        work,
        Job(source, kind, str(order.bundle.absolute()), version, parts, work.fingerprint),
        writing.schema_of(source, kind, contract),
        Parts(parts, work.fingerprint),
        output,
    )


def _begun(order: Order, work: _Work) -> Counts | None:
    """Make the folder of the parts ready; return what other shards have come to, if they have."""
    with named(order.output):
        return work.parts.open(work.output if order.shard else None)


def _ended(order: Order, work: _Work) -> Counts | None:
    """Merge, if all parts are there; whoever else does so at the same time writes the same."""
    parts, plan = work.parts, work.plan
    try:
        if len(parts.done()) == len(plan.blocks):
            if order.is_strict:
                _require_none_refused(parts, plan.blocks)
            counts = merge.merge(parts, plan.blocks, work.output, work.job.output, work.schema)
            if order.shard:
                parts.finish(counts)
            else:
                parts.clear()
            return counts
    except FileNotFoundError:
        # Another shard has merged meanwhile, and removed the parts, unless something is wrong.
        if not parts.finished():
            raise
    found = parts.finished()
    if found:
        parts.sweep()  # what was written after it had come to its end
    return found


def _score(order: Order, work: _Work, blocks: list[Block], step: Step) -> None:
    """Have blocks scored; the first that fails, or is refused, ends it."""
    with _pool(order, work, len(blocks)) as pool:
        futures = [pool.submit(score, work.job, block) for block in blocks]
        try:
            for block, future in zip(blocks, futures, strict=True):
                refused = future.result()
                if refused and order.is_strict:
                    _require_none_refused(work.parts, work.plan.blocks[: block.number + 1])
                step(block.size)
        except BrokenProcessPool as error:
            message = f"{order.input}: a process was killed, perhaps for want of memory"
            raise ScoringError(message) from error
        finally:
            for future in futures:
                future.cancel()


def _require_none_refused(parts: Parts, blocks: tuple[Block, ...]) -> None:
    """Raise ScoringError at the first row that was refused, in the order of the input."""
    try:
        for _, _, refused in merge.refusals(parts, blocks):
            if refused:
                file, row, column, reason = refused[0]
                where = f"{file}: row {row}{f', column {column}' if column else ''}"
                message = f"{where}: {reason}"
                raise StrictError(message)
    except FileNotFoundError:
        # The rows of another shard before it are not known yet, nor whether they are all right.
        block = blocks[-1]
        place, column, reason = merge.note_of(parts, block).refused[0]
        where = f"{block.file}: row {place + 1} of those from {block.start} to {block.end}"
        message = f"{where}{f', column {column}' if column else ''}: {reason}"
        raise StrictError(message) from None


@contextmanager
def _pool(order: Order, work: _Work, blocks: int) -> Iterator[Executor]:
    """Yield what runs blocks: Dask's workers, or processes, one for each CPU."""
    count = min(blocks, cpus.count(cpus.limit()))
    if order.dask:
        with _dask(order.dask) as executor:
            yield executor
    elif count <= 1 or work.output.is_private or place(order.input).is_private:
        with ThreadPoolExecutor(max(count, 1)) as threads:
            yield threads
    else:
        # Nothing is inherited: neither threads' locks nor a connection to an object store.
        with ProcessPoolExecutor(count, get_context("spawn"), _begin_process) as processes:
            yield processes


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler at {address}: {one_line(error)}"
        raise ScoringError(message) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


def _begin_process() -> None:
    """Leave an interrupt to the parent, and end when it has ended, however that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
