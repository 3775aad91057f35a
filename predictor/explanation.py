"""Why a prediction is what it is: what each column of a row adds to it, in the target's unit.

The boosters' part is explained by Shapley values of the path-dependent game (Lundberg et al., "From
local explanations to global understanding with explainable AI for trees", 2020): of a set of known
features a tree expects the mean of its leaves, each weighed by the share of the fitted rows that
go its way where a split asks an unknown feature. These are the values that XGBoost, LightGBM and
CatBoost give themselves.

A leaf's game is a product: of a known feature the factor is 1 or 0, whether the row passes; of an
unknown one it is the share z of the rows that did. The Shapley value of a player k in it is
(o_k − z_k) · ∫₀¹ ∏_{j≠k} (z_j + t·(o_j − z_j)) dt (Owen, "Multilinear extensions of games", 1972).
The integrand is a polynomial in t, so that Gauss and Legendre's rule with half as many points as
the leaf has features gives the integral itself, not an estimate.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.contract import INPUT, Contract
from predictor.errors import BundleError

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
# So many numbers of one intermediate result stay in a core's cache.
NUMBERS_AT_ONCE = 100_000
# From where they begin, the roots are found to the last bit after five.
NEWTON_STEPS = 8


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


class _Group(NamedTuple):
    """Leaves that ask for one number of features, d: `values` (leaves,), the others (d, leaves)."""

    values: Numbers
    features: NDArray[np.intp]
    ratios: Numbers
    above: NDArray[np.float32]
    up_to: NDArray[np.float32]


class Explainer:
    """Explains the predictions of one model; any thread may ask it."""

    def __init__(self, contract: Contract, content: bytes) -> None:
        """Load a bundle's explanation; raises BundleError when it is not one of the contract."""
        self._session = graph.load(content)
        columns = len(contract.names)
        try:
            found = self._session.run(list(OF_THE_MODEL), {INPUT: np.zeros((1, columns))})
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            message = f"the explanation cannot be run: {error}"
            raise BundleError(message) from error
        model = dict(zip(OF_THE_MODEL, found, strict=True))
        self._groups = _groups(model)
        self._owners: Numbers = model["owners"]
        self._silences: Numbers = model["silences"]
        self._group = int(model["group"])
        self.base = float(model["base"])
        self._expected = float(model["expected"])

    def explain(self, columns: Numbers) -> Explanation:
        """Explain the predictions for raw columns, (n, columns of the contract)."""
        known = self._known(columns)
        features = self._by_feature(known.matrix)
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
            value = _shapley(told_by, player, len(players))
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

    def _by_feature(self, matrix: NDArray[np.float32]) -> Numbers:
        """Return the Shapley values of the boosters' sum, (n, features)."""
        found = np.zeros(matrix.shape)
        for group in self._groups:
            rows = max(1, NUMBERS_AT_ONCE // group.features.size)
            for start in range(0, len(matrix), rows):
                part = slice(start, start + rows)
                found[part] += _of_leaves(group, matrix[part])
        return found


def _groups(model: dict[str, NDArray[np.generic]]) -> list[_Group]:
    """Return the leaves by how many features they ask for."""
    sizes = model["sizes"].astype(np.intp)
    size_of_condition = np.repeat(sizes, sizes)
    groups = []
    for size in sorted({*sizes.tolist()} - {0}):  # a leaf that asks for nothing moves nothing
        of_size = size_of_condition == size
        features, ratios, above, up_to = (
            np.ascontiguousarray(model[name][of_size].reshape(-1, size).T)
            for name in ("features", "ratios", "above", "up_to")
        )
        values = model["values"][sizes == size]
        most = max(1, NUMBERS_AT_ONCE // size)
        for start in range(0, len(values), most):
            part = slice(start, start + most)
            groups.append(
                _Group(
                    values[part],
                    features[:, part].astype(np.intp),
                    ratios[:, part],
                    above[:, part],
                    up_to[:, part],
                )
            )
    return groups


def _of_leaves(group: _Group, matrix: NDArray[np.float32]) -> Numbers:
    """Return the Shapley values, (n, features), of the sum of some leaves."""
    size, (rows, features) = len(group.features), matrix.shape
    asked = matrix[:, group.features]  # (n, d, leaves), as all below
    passes = (asked > group.above) & (asked <= group.up_to)
    differences = passes - group.ratios
    integrals = np.zeros_like(differences)
    for point, weight in _rule((size + 1) // 2):
        factors = group.ratios + point * differences
        integrals += weight * _products_of_the_others(factors)
    found = integrals * differences * group.values
    places = group.features + features * np.arange(rows)[:, None, None]
    sums = np.bincount(places.ravel(), found.ravel(), rows * features)
    return sums.reshape(rows, features)  # type: ignore[return-value] # weights make them float64


def _products_of_the_others(factors: Numbers) -> Numbers:
    """Return for each of d factors, (n, d, leaves), the product of the others."""
    size = factors.shape[1]
    products = np.ones_like(factors)
    for place in range(1, size):
        np.multiply(products[:, place - 1], factors[:, place - 1], out=products[:, place])
    after = factors[:, -1].copy()
    for place in range(size - 2, -1, -1):
        products[:, place] *= after
        after *= factors[:, place]
    return products


def _shapley(told_by: dict[frozenset[int], Numbers], player: int, players: int) -> Numbers:
    """Return a player's Shapley value, (n,), in a game that is known by its coalitions."""
    value = np.zeros_like(told_by[frozenset()])
    for others in [each for each in told_by if player not in each]:
        before = math.factorial(len(others))
        after = math.factorial(players - len(others) - 1)
        gain = told_by[others | {player}] - told_by[others]
        value += before * after / math.factorial(players) * gain
    return value


@cache
def _rule(points: int) -> list[tuple[float, float]]:
    """Return the points and weights of Gauss and Legendre's rule on [0, 1].

    The points are the roots of the Legendre polynomial, by Newton's method (Press et al.,
    "Numerical Recipes", 4.6.1): what NumPy has for it is not in the image.
    """
    rule = []
    for number in range(points):
        root = math.cos(math.pi * (number + 0.75) / (points + 0.5))
        for _ in range(NEWTON_STEPS):
            value, slope = _legendre(points, root)
            root -= value / slope
        _, slope = _legendre(points, root)
        rule.append(((root + 1) / 2, 1 / ((1 - root * root) * slope * slope)))
    return rule


def _legendre(degree: int, x: float) -> tuple[float, float]:
    """Return a Legendre polynomial of a degree over 0 and its slope, by Bonnet's recursion."""
    before, value = 1.0, x
    for n in range(1, degree):
        before, value = value, ((2 * n + 1) * x * value - n * before) / (n + 1)
    return value, degree * (x * value - before) / (x * x - 1)
