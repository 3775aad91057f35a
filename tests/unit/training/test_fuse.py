"""The fused graph against the same steps without ONNX, also where the data have no row."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from predictor import graph
from predictor.contract import INPUT, Column, Contract, Target
from predictor.errors import SettingsError
from predictor.training import evaluation, pipeline
from predictor.training.dataset import Dataset
from predictor.training.ensemble import intervals
from predictor.training.features import compute
from predictor.training.fuse import fuse
from predictor.training.tracks import ANCHORED, RAW, Track, of_columns
from tests.conftest import small

Rows = NDArray[np.float64]


def rows_of_the_contract(contract: Contract, generator: np.random.Generator) -> Rows:
    """Return rows anywhere in the contract's ranges, many of them at their ends."""
    columns = []
    for column in contract.columns:
        if column.datatype == "BYTES":
            columns.append(generator.integers(0, len(column.names), 4000))
        else:
            inside = generator.uniform(column.minimum, min(column.maximum, 1000), 4000)
            end = generator.choice([column.minimum, column.maximum], 4000)
            columns.append(np.where(generator.random(4000) < 0.4, end, inside))
    return np.column_stack(columns).astype(np.float64)


@pytest.mark.parametrize(
    "track", [ANCHORED, RAW, replace(ANCHORED, group=None)], ids=["anchored", "raw", "no groups"]
)
def test_the_graph_answers_what_its_parts_do_on_any_row(
    track: Track, month: Dataset, contract: Contract, generator: np.random.Generator
) -> None:
    problem = pipeline.problem_of(month, small(track, 5))
    stack, calibration = evaluation.fit(problem, 0, lambda _: None)
    model = fuse(stack.forest, calibration, track).SerializeToString()
    rows = rows_of_the_contract(contract, generator)
    asked = pipeline.problem_of(replace(month, columns=rows, target=rows[:, 0], days=None), track)
    position = stack.forest.predict(asked.found.matrix)
    expected = intervals.answer(asked.found, asked.groups, position, calibration)
    outputs = graph.run(model, {INPUT: rows}, ["usage_kwh", "lower", "upper"])
    for found, wanted in zip(outputs, vars(expected).values(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-9)
    assert track is RAW or not asked.found.known.all()
    values, lower, upper = outputs
    assert ((lower <= values) & (values <= upper)).all()
    assert (lower >= 0).all()


OTHER = Contract(
    (
        Column("flow", "FP64", "m3", ""),
        Column("line", "BYTES", "category", "", labels={"a": 0, "b": 1, "never": 2, "also b": 1}),
    ),
    Target("heat", "kWh", "", maximum=2.5),
)


@pytest.mark.parametrize("group", [None, "line"])
def test_another_plants_graph_answers_what_its_parts_do(
    group: str | None, generator: np.random.Generator
) -> None:
    rows = np.column_stack([generator.normal(size=2000) * 10, generator.integers(0, 2, 2000)])
    target = np.minimum(np.sin(rows[:, 0]) * (1 + rows[:, 1]) - 1, 2.5)
    track = small(of_columns(OTHER, group), 20)
    problem = pipeline.problem_of(Dataset("made", "0", rows, target), track)
    stack, calibration = evaluation.fit(problem, 0, lambda _: None)
    session = graph.load(fuse(stack.forest, calibration, track).SerializeToString())
    asked = np.array([[1.0, 0], [-1e300, 1], [1e300, 1], [4.0, 2], [0.0, 2]])
    found = compute(track.features, asked, OTHER)
    groups = asked[:, 1].astype(np.intp) if group else np.zeros(5, np.intp)
    expected = intervals.answer(found, groups, stack.forest.predict(found.matrix), calibration)
    values, lower, upper, _, warnings = graph.predict(session, OTHER, asked)
    np.testing.assert_allclose(values, expected.values, atol=1e-12)
    np.testing.assert_allclose(lower, expected.lower, atol=1e-12)
    np.testing.assert_allclose(upper, expected.upper, atol=1e-12)
    assert warnings.shape == (5, 0)
    assert (upper <= 2.5).all()


def test_the_graph_is_the_same_bytes_each_time(month: Dataset) -> None:
    problem = pipeline.problem_of(month, small(ANCHORED, 2))
    stack, calibration = evaluation.fit(problem, 0, lambda _: None)
    first, second = (
        fuse(stack.forest, calibration, ANCHORED).SerializeToString(deterministic=True)
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    "change",
    [
        {"interval": False},
        {"interval": False, "target": Target("heat", "", "", classes=("low", "high"))},
        {"columns": (Column("flow", "FP64", "m3", "", optional=True),)},
    ],
)
def test_a_contract_of_another_kind_of_model_is_not_trained_on(change: dict[str, object]) -> None:
    contract = msgspec.structs.replace(OTHER, **change)
    with pytest.raises(SettingsError, match="what is trained here is a number with its interval"):
        of_columns(contract, None)
