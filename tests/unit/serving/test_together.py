"""Requests of one turn of the event loop share a run, and none can tell."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from predictor import bundle
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Engine, Prediction
from predictor.serving.together import FEW_ROWS, MOST_ROWS, Outcome, Together
from predictor.training.dataset import Dataset

SIZES = st.lists(
    st.integers(1, 20) | st.integers(1, MOST_ROWS + 2) | st.sampled_from([FEW_ROWS, FEW_ROWS + 1]),
    max_size=30,
)


@dataclass
class Model:
    """Predicts each row's first column, notes the rows of each run, and can be made to fail."""

    fails: Callable[[list[int]], bool] = lambda _: False
    runs: list[list[int]] = field(default_factory=list)

    def predict(self, batch: Batch) -> Prediction:
        values = batch.columns[:, 0]
        self.runs.append(values.astype(int).tolist())
        if self.fails(self.runs[-1]):
            raise RuntimeError
        return Prediction(values, values - 1, values + 1, values[:, None] > 5, is_doubtful=True)


def numbered(sizes: Sequence[int]) -> list[list[int]]:
    """Return the rows of batches of these sizes, counted through."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [list(range(start, end)) for start, end in pairwise(ends)]


def expected_runs(batches: list[list[int]]) -> list[list[list[int]]]:
    """Return which batches share a run when all come in one turn."""
    runs: list[list[list[int]]] = [[]]
    for batch in batches:
        runs[-1].append(batch)
        if len(batch) > FEW_ROWS or sum(map(len, runs[-1])) >= MOST_ROWS:
            runs.append([])
    return [run for run in runs if run]


def deliveries(model: Model, *turns: list[list[int]]) -> list[tuple[int, Outcome]]:
    """Return what is delivered, in its order, each with the first row of the batch it is for."""
    found: list[tuple[int, Outcome]] = []

    async def submit() -> None:
        together = Together(model.predict)
        for batches in turns:
            for batch in batches:
                columns = np.array(batch, np.float64)[:, None]
                first = batch[0]
                together.submit(Batch(columns), lambda o, first=first: found.append((first, o)))  # type: ignore[misc]
            await asyncio.sleep(0)

    asyncio.run(submit())
    return found


@settings(deadline=None)
@example([FEW_ROWS] * (MOST_ROWS // FEW_ROWS) + [1])
@example([FEW_ROWS, FEW_ROWS + 1, FEW_ROWS])
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
    for size in (*range(1, FEW_ROWS + 1), 1000):
        starts = range(0, len(rows), size)
        apart = [engine.predict(Batch(rows[start : start + size])) for start in starts]
        assert bits(apart) == whole, size
