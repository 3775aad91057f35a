"""Models that are no stack of boosters: a classifier with values that may be missing, and a sum."""

import numpy as np
import spox.opset.ai.onnx.v21 as op
from spox import Tensor, Var, argument, build

from predictor import bundle, graph
from predictor.bundle import Data, Golden, Manifest, Parity
from predictor.contract import (
    INPUT,
    LOWER,
    PREDICTION,
    PROBABILITIES,
    PROBABILITY,
    UPPER,
    Column,
    Contract,
    Row,
    Target,
)
from predictor.profiling import profile_of
from predictor.training.pipeline import Trained

VISITS = Column("visits", "INT64", "", "In the last year", minimum=0.0, maximum=50.0, optional=True)
PLAN = Column("plan", "BYTES", "", "", labels={"basic": 0, "plus": 1, "pro": 2}, optional=True)
AGE = Column("age", "FP64", "years", "", minimum=0.0, maximum=120.0)

CHURN = Contract(
    (AGE, VISITS, PLAN),
    Target("churn", "", "Who leaves", classes=("stays", "léaves")),
    interval=False,
)
COST = Contract((AGE, VISITS), Target("cost", "€", "What it costs"), interval=False)

ROWS: list[Row] = [
    {"age": 30.5, "visits": 3, "plan": "plus"},
    {"age": 90.0, "visits": None, "plan": None},
    {"age": 0.0, "visits": 50, "plan": "basic"},
    {"age": 120.0, "visits": 0, "plan": "pro"},
    {"age": 55.5, "visits": 12, "plan": "basic"},
]


def churn() -> Trained:
    """Return a bundle of a classifier that knows what is missing."""
    columns, known = _known(CHURN)
    weights = np.array([[0.03], [-0.05], [0.7]])
    lacks = op.reduce_sum(
        op.mul(op.cast(op.isnan(columns), to=np.float64), op.const(np.array([0, 1.5, 0.25]))),
        op.const(np.array([1])),
    )
    leaves = op.sigmoid(op.add(op.matmul(known, op.const(weights)), op.sub(lacks, _number(2.0))))
    likely = op.concat([op.sub(_number(1.0), leaves), leaves], axis=1)
    place = op.cast(op.arg_max(likely, axis=1, keepdims=0), to=np.float64)
    return _trained(CHURN, columns, {CHURN.target.name: place, PROBABILITIES: likely}, ROWS)


def cost() -> Trained:
    """Return a bundle of a number without an interval."""
    columns, known = _known(COST)
    value = op.reduce_sum(known, op.const(np.array([1])), keepdims=0)
    rows: list[Row] = [{"age": row["age"], "visits": row["visits"]} for row in ROWS]
    return _trained(COST, columns, {COST.target.name: value}, rows)


def _number(value: float) -> Var:
    return op.const(np.array([[value]]))


def _known(contract: Contract) -> tuple[Var, Var]:
    """Return a graph's input, and the same with 0 for what is missing."""
    columns = argument(Tensor(np.float64, ("rows", len(contract.columns))))
    return columns, op.where(op.isnan(columns), _number(0.0), columns)


def _trained(contract: Contract, columns: Var, outputs: dict[str, Var], rows: list[Row]) -> Trained:
    model = build({INPUT: columns}, outputs).SerializeToString(deterministic=True)
    matrix = np.array(contract.encode_rows(rows), np.float64)
    found = graph.predict(graph.load(model), contract, matrix)
    answers = found.by_name()
    manifest = Manifest(
        format=bundle.FORMAT,
        name=contract.target.name,
        version=bundle.version_of(contract, model),
        type="made by hand",
        track="imported",
        created="2026-11-22T00:00:00+00:00",
        contract=contract,
        files={bundle.MODEL: bundle.digest(model)},
        data=Data("rows", "0", len(rows)),
        metrics={"accuracy": 0.75},
        parity=Parity(0.0, 0.0, 0.0, len(rows)),
        versions={},
        golden=Golden(
            rows,
            answers[PREDICTION],
            answers[PROBABILITY] or answers[PREDICTION],
            answers[LOWER],
            answers[UPPER],
            answers[PROBABILITY],
        ),
        profile=profile_of(contract, np.repeat(matrix, 40, axis=0), np.repeat(found.values, 40)),
    )
    return Trained(manifest, {bundle.MODEL: model})
