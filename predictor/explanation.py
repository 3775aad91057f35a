"""Why a prediction is what it is: what each column of a row adds to it, in the target's unit.

The boosters' part is explained by Shapley values of the path-dependent game (Lundberg et al., "From
local explanations to global understanding with explainable AI for trees", 2020): of a set of known
features a tree expects the mean of its leaves, each weighed by the share of the fitted rows that
go its way where a split asks an unknown feature. These are the values that XGBoost, LightGBM and
CatBoost give themselves.

A feature that is computed of several columns gives each of them an equal part of its value.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.contract import INPUT, Contract
from predictor.errors import BundleError
from predictor.shapley import leaves_of, shapley_values

Numbers = NDArray[np.float64]

# What a bundle's explanation gives for each row, all float64 but the first, in this order: see
# `training.explained`.
OF_A_ROW = ("matrix", "middle", "half_width", "low", "high", "known", "usual", "rise")
# And what it gives once: the paths to the leaves, and what they start from.
OF_THE_MODEL = (
    "values",
    "sizes",
    "features",
    "ratios",
    "above",
    "up_to",
    "expected",
    "base",
    "owners",
    "group",
    "silences",
)
# The physics is asked about every set of players: 64 times, and no more.
MOST_PLAYERS = 6


class Explanation(NamedTuple):
    """Float64, in the target's unit; base + physics + contributions' sum + bounds = prediction.

    `base` is what is expected of a row of which nothing is known. `physics`, (n,), is what the
    features add by themselves, without the boosters, and `shares`, (n, columns), what of it each
    column gives; without `has_physics` they are zeros. `contributions`, (n, columns), are the
    boosters', and `bounds`, (n,), is what the target's bounds took or gave.
    """

    base: float
    physics: Numbers
    shares: Numbers
    contributions: Numbers
    bounds: Numbers
    has_physics: bool

    def rows(self, columns: Sequence[str], predictions: Numbers) -> list[dict[str, object]]:
        """Return what is told of each row, by the columns' names; `predictions` are (n,)."""
        parts = (self.physics, self.shares, self.contributions, self.bounds)
        told = zip(predictions.tolist(), *(part.tolist() for part in parts), strict=True)
        return [
            {"prediction": prediction, "base": self.base}
            | (self._physics(columns, physics, shares) if self.has_physics else {})
            | {"contributions": dict(zip(columns, by_column, strict=True)), "bounds": bounds}
            for prediction, physics, shares, by_column, bounds in told
        ]

    @staticmethod
    def _physics(columns: Sequence[str], physics: float, shares: list[float]) -> dict[str, object]:
        by_column = dict(zip(columns, shares, strict=True))
        return {"physics": {"contribution": physics, "shares": by_column}}

    @property
    def predictions(self) -> Numbers:
        """What all of it adds up to, (n,)."""
        found: Numbers = self.base + self.physics + self.contributions.sum(axis=1) + self.bounds
        return found


class _Known(NamedTuple):
    """What a row's features say, float64 (n,) but the matrix, (n, features): see OF_A_ROW."""

    matrix: NDArray[np.float32]
    middle: Numbers
    half_width: Numbers
    low: Numbers
    high: Numbers
    known: NDArray[np.bool_]
    usual: Numbers
    rise: Numbers


class Explainer:
    """Explains the predictions of one model; any thread may ask it."""

    def __init__(self, contract: Contract, content: bytes) -> None:
        """Load a bundle's explanation; raises BundleError when it is not one of the contract."""
        self._session = graph.load(content)
        columns, names = len(contract.names), [*OF_THE_MODEL, *OF_A_ROW]
        try:
            found = self._session.run(names, {INPUT: np.zeros((1, columns))})
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            message = f"the explanation cannot be run: {error}"
            raise BundleError(message) from error
        model = dict(zip(names, found, strict=True))
        if wrong := _fault(model, columns):
            message = f"the explanation is not one of the contract: {wrong}"
            raise BundleError(message)
        self._leaves = leaves_of(model)
        self._owners: Numbers = model["owners"]
        self._silences: Numbers = model["silences"]
        self._group = int(model["group"])
        self.base = float(model["base"])
        self._expected = float(model["expected"])

    def explain(self, columns: Numbers) -> Explanation:
        """Explain the predictions for raw columns, (n, columns of the contract)."""
        known = self._known(columns)
        features = shapley_values(self._leaves, known.matrix)
        placed = known.middle + known.half_width * (self._expected + features.sum(axis=1))
        clipped = np.clip(placed, known.low, known.high)
        by_column = known.half_width[:, None] * (features @ self._owners)
        told = self._told(known)
        contributions = np.where(known.known[:, None], by_column, self._of_the_group(known))
        return Explanation(
            base=self.base,
            physics=told - self.base,
            shares=self._shares(columns, told),
            contributions=contributions,
            bounds=np.where(known.known, clipped - placed, 0),
            has_physics=bool(len(self._silences)),
        )

    def _known(self, columns: Numbers) -> _Known:
        matrix, *rest = self._session.run(list(OF_A_ROW), {INPUT: columns})
        return _Known(matrix, *(np.broadcast_to(np.ravel(part), len(columns)) for part in rest))

    def _told(self, known: _Known) -> Numbers:
        """Return what is expected of rows, (n,), before the boosters look at them."""
        by_physics = known.middle + known.half_width * self._expected
        return np.where(known.known, by_physics, self.base + known.rise)

    def _of_the_group(self, known: _Known) -> Numbers:
        """Return the contributions where nothing is known but what is usual in a row's group."""
        contributions = np.zeros((len(known.usual), self._owners.shape[1]))
        contributions[:, self._group] = known.usual - self.base
        return contributions

    def _shares(self, columns: Numbers, told: Numbers) -> Numbers:
        """Return what each column gives of what the physics says, (n, columns).

        The players are the sets of columns of which each says something by itself, such as one
        power factor and its reactive energy; one that is silenced reads as a meter that limits
        nothing. The columns of a set say nothing without each other, so they share alike.
        """
        players = range(len(self._silences))
        shares = np.zeros_like(columns)
        told_by = {frozenset(players): told, frozenset[int](): np.full(len(columns), self.base)}
        for size in range(1, len(players)):
            for loud in map(frozenset, combinations(players, size)):
                told_by[loud] = self._told(self._known(self._silenced(columns, loud)))
        for player in players:
            spoken = ~np.isnan(self._silences[player])
            value = _of_player(told_by, player, len(players))
            shares[:, spoken] += (value / spoken.sum())[:, None]
        return shares

    def _silenced(self, columns: Numbers, loud: frozenset[int]) -> Numbers:
        """Return the rows as they would be if only some of the players said something."""
        rows = columns.copy()
        for player, silence in enumerate(self._silences):
            if player not in loud:
                spoken = ~np.isnan(silence)
                rows[:, spoken] = silence[spoken]
        return rows


def _fault(model: dict[str, NDArray[np.generic]], columns: int) -> str:
    """Return in words what is wrong with what an explanation holds; mostly that is nothing."""
    features = model["matrix"].shape[-1]
    leaves, conditions = len(model["values"]), len(model["features"])
    shapes: dict[str, tuple[int, ...]] = {
        "matrix": (1, features),
        "values": (leaves,),
        "sizes": (leaves,),
        **dict.fromkeys(("features", "ratios", "above", "up_to"), (conditions,)),
        **dict.fromkeys(("expected", "base", "group"), ()),
        "owners": (features, columns),
        "silences": (len(model["silences"]), columns),
    }
    for name, shape in shapes.items():
        if model[name].shape != shape:
            return f"{name} is {model[name].shape}, expected {shape}"
    said = {
        f"silences are over {MOST_PLAYERS}": shapes["silences"][0] > MOST_PLAYERS,
        "a player has no columns": np.isnan(model["silences"].astype(float)).all(axis=1).any(),
        "sizes are not those of the conditions": int(model["sizes"].sum()) != conditions
        or bool((model["sizes"].astype(int) < 0).any()),
        "a condition is of no feature": not np.isin(model["features"], range(features)).all(),
        "the group is of no column": not 0 <= int(model["group"]) < columns,
    }
    return next((words for words, is_so in said.items() if is_so), "")


def _of_player(told_by: dict[frozenset[int], Numbers], player: int, players: int) -> Numbers:
    """Return a player's Shapley value, (n,), in a game that is known by its coalitions."""
    value = np.zeros_like(told_by[frozenset()])
    for others in [each for each in told_by if player not in each]:
        before = math.factorial(len(others))
        after = math.factorial(players - len(others) - 1)
        gain = told_by[others | {player}] - told_by[others]
        value += before * after / math.factorial(players) * gain
    return value
