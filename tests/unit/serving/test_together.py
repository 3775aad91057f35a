"""Requests of one turn of the event loop share a run, and none can tell."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from predictor import bundle
from predictor.contract import Column, Contract, Target
from predictor.serving.backlog import (
    EXPECTED_SHARE,
    FIRST_SECONDS_PER_BYTE,
    REQUEST_BYTES,
    Backlog,
    Overloaded,
)
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Doubt, Engine, Prediction
from predictor.serving.steps import Steps
from predictor.serving.together import ENOUGH_BYTES, MOST_REQUESTS, Together
from predictor.training.dataset import Dataset

SIZES = st.lists(st.integers(1, 20) | st.integers(1, 1000), max_size=300)
ROW_BYTES = 250


@dataclass
class Model:
    """Predicts each row's first column, notes the rows of each run, and can be made to fail."""

    fails: Callable[[list[int]], bool] = lambda _: False
    runs: list[list[int]] = field(default_factory=list)

    contract = Contract((Column("number", "FP64", "", ""),), Target("target", "", ""))
    manifest = SimpleNamespace(name="model", contract=contract, profile=None)

    def doubts(self, _prediction: Prediction) -> list[Doubt]:
        return []

    def predict(self, batch: Batch) -> Prediction:
        values = batch.columns[:, 0]
        self.runs.append(values.astype(int).tolist())
        if self.fails(self.runs[-1]):
            raise RuntimeError
        return Prediction(
            values,
            values - 1,
            values + 1,
            np.empty((len(values), 0)),
            values[:, None] > 5,
            is_doubtful=True,
        )


def numbered(sizes: Sequence[int]) -> list[list[int]]:
    """Return the rows of batches of these sizes, counted through."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [list(range(start, end)) for start, end in pairwise(ends)]


def expected_runs(batches: list[list[int]]) -> list[list[list[int]]]:
    """Return which batches share a run when all come in one turn."""
    runs: list[list[list[int]]] = [[]]
    for batch in batches:
        runs[-1].append(batch)
        size_bytes = ROW_BYTES * sum(map(len, runs[-1]))
        if len(runs[-1]) == MOST_REQUESTS or size_bytes >= ENOUGH_BYTES:
            runs.append([])
    return [run for run in runs if run]


def together(model: Model, backlog: Backlog | None = None) -> Together:
    return Together(Steps(cast(Engine, model)), backlog or Backlog(limit_seconds=100))


def submit(queue: Together, batch: list[int], deliver: Callable[[Any], None]) -> None:
    def encode(prediction: Prediction, _doubts: list[Doubt]) -> Prediction:
        return prediction

    columns = np.array(batch, np.float64)[:, None]
    queue.submit(ROW_BYTES * len(batch), lambda _: (Batch(columns), encode), deliver)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def deliveries(model: Model, *moments: list[list[int]]) -> list[tuple[int, Any]]:
    """Return what is delivered, in its order, each with the first row of the batch it is for."""
    found: list[tuple[int, Any]] = []

    async def submit_all() -> None:
        queue = together(model)
        for batches in moments:
            for batch in batches:
                submit(queue, batch, partial(_note, found, batch[0]))
            await turns(len(batches) + 1)

    asyncio.run(submit_all())
    return found


def _note(found: list[tuple[int, Any]], first: int, outcome: Any) -> None:  # noqa: ANN401
    found.append((first, outcome))


@settings(deadline=None)
@example([1] * (2 * MOST_REQUESTS + 1))
@example([1, ENOUGH_BYTES // ROW_BYTES + 1, 1])
@given(SIZES)
def test_each_batch_gets_its_own_part_of_the_run_it_is_in(sizes: list[int]) -> None:
    batches = numbered(sizes)
    model = Model()
    found = deliveries(model, batches)
    assert model.runs == [list(chain.from_iterable(run)) for run in expected_runs(batches)]
    assert [first for first, _ in found] == [batch[0] for batch in batches]
    for batch, (_, outcome) in zip(batches, found, strict=True):
        assert isinstance(outcome, Prediction)
        assert outcome.values.tolist() == batch
        assert outcome.lower.tolist() == [row - 1 for row in batch]
        assert outcome.upper.tolist() == [row + 1 for row in batch]
        assert outcome.warnings.tolist() == [[row > 5] for row in batch]


@settings(deadline=None)
@given(SIZES, st.integers(0, 3000))
def test_what_the_model_raises_goes_to_all_of_that_run_and_to_no_other(
    sizes: list[int], poison: int
) -> None:
    batches = numbered(sizes)
    found = dict(deliveries(Model(lambda run: poison in run), batches))
    assert len(found) == len(batches)
    for run in expected_runs(batches):
        failed = any(poison in batch for batch in run)
        for batch in run:
            assert isinstance(found[batch[0]], RuntimeError if failed else Prediction)


@settings(deadline=None)
@given(SIZES, SIZES)
def test_turns_do_not_share_runs(earlier: list[int], later: list[int]) -> None:
    batches = numbered(earlier + later)
    turns = batches[: len(earlier)], batches[len(earlier) :]
    model = Model()
    assert len(deliveries(model, *turns)) == len(batches)
    runs = [run for turn in turns for run in expected_runs(turn)]
    assert model.runs == [list(chain.from_iterable(run)) for run in runs]


def test_the_event_loop_turns_between_two_runs() -> None:
    async def order() -> list[str]:
        found: list[str] = []
        queue = together(Model())
        for number in range(MOST_REQUESTS + 1):
            submit(queue, [number], lambda o: found.append(str(int(o.values[0]))))
        asyncio.get_running_loop().call_soon(found.append, "a probe")
        await turns(4)
        return found

    found = asyncio.run(order())
    assert found.index("a probe") == MOST_REQUESTS
    assert len(found) == MOST_REQUESTS + 2


def test_an_answer_that_cannot_be_delivered_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_outcome: object) -> None:
        raise OSError

    async def delivered() -> list[float]:
        found: list[float] = []
        queue = together(Model())
        for number in range(3):
            submit(queue, [number], fail if number == 1 else lambda o: found.append(o.values[0]))
        await turns(2)
        return found

    assert asyncio.run(delivered()) == [0, 2]
    assert "could not be delivered" in caplog.text


def test_what_would_wait_too_long_is_refused_at_once_and_taken_again_later() -> None:
    async def refused() -> tuple[int, int]:
        expected = FIRST_SECONDS_PER_BYTE * 10 * (REQUEST_BYTES + ROW_BYTES)
        backlog = Backlog(expected / EXPECTED_SHARE)
        queue = together(Model(), backlog)
        delivered: list[object] = []
        count = 0
        for number in range(30):
            try:
                submit(queue, [number], delivered.append)
            except Overloaded:
                count += 1
        await turns(2)
        submit(queue, [31], delivered.append)  # would raise
        return count, len(delivered)

    count, delivered = asyncio.run(refused())
    assert (count, delivered) == (19, 11)


def test_what_has_waited_too_long_is_not_computed() -> None:
    model = Model()

    async def outcome() -> object:
        found: list[object] = []
        backlog = Backlog(limit_seconds=0.01)
        submit(together(model, backlog), [1], found.append)
        time.sleep(0.02)  # noqa: ASYNC251 - the event loop is held up
        await turns(2)
        return found[0]

    assert isinstance(asyncio.run(outcome()), Overloaded)
    assert model.runs == []


@pytest.fixture(scope="module")
def engine(bundle_folder: Path) -> Engine:
    return Engine(bundle.read(bundle_folder))


def bits(predictions: Sequence[Prediction]) -> list[bytes]:
    """Return the bytes of every array of predictions that were made one after the other."""
    arrays = [(p.values, p.lower, p.upper, p.warnings) for p in predictions]
    return [np.concatenate(ends).tobytes() for ends in zip(*arrays, strict=True)]


def test_no_row_can_tell_how_many_others_it_shares_a_run_with(
    engine: Engine, dataset: Dataset, generator: np.random.Generator
) -> None:
    rows = dataset.columns[generator.choice(len(dataset.columns), 2000, replace=False)]
    whole = bits([engine.predict(Batch(rows))])
    for size in (*range(1, 65), MOST_REQUESTS, 1000):
        starts = range(0, len(rows), size)
        apart = [engine.predict(Batch(rows[start : start + size])) for start in starts]
        assert bits(apart) == whole, size
