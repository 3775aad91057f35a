"""Exact Shapley values of a forest's sum of leaves, by NumPy.

A leaf's game is a product: of a known feature the factor is 1 or 0, whether the row passes; of an
unknown one it is the share z of the rows that did. The Shapley value of a player k in it is
(o_k − z_k) · ∫₀¹ ∏_{j≠k} (z_j + t·(o_j − z_j)) dt (Owen, "Multilinear extensions of games", 1972).
The integrand is a polynomial in t, so that Gauss and Legendre's rule with half as many points as
the leaf has features gives the integral itself, not an estimate.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# So many numbers of one intermediate result stay in a core's cache.
NUMBERS_AT_ONCE = 100_000
# From where they begin, the roots are found to the last bit after five.
NEWTON_STEPS = 8


class Leaves(NamedTuple):
    """Leaves that ask for one number of features, d: `values` (leaves,), the others (d, leaves)."""

    values: Numbers
    features: NDArray[np.intp]
    ratios: Numbers
    above: NDArray[np.float32]
    up_to: NDArray[np.float32]


def shapley_values(groups: Sequence[Leaves], matrix: NDArray[np.float32]) -> Numbers:
    """Return the Shapley values of the sum of some leaves, (n, features), for rows of features."""
    found = np.zeros(matrix.shape)
    for group in groups:
        rows = max(1, NUMBERS_AT_ONCE // group.features.size)
        for start in range(0, len(matrix), rows):
            part = slice(start, start + rows)
            found[part] += _of_leaves(group, matrix[part])
    return found


def leaves_of(model: Mapping[str, NDArray[np.generic]]) -> list[Leaves]:
    """Return the leaves of a forest's paths by how many features they ask for.

    `model` has what `training.ensemble.paths.Paths` has, under the same names.
    """
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
                Leaves(
                    values[part],
                    features[:, part].astype(np.intp),
                    ratios[:, part],
                    above[:, part],
                    up_to[:, part],
                )
            )
    return groups


def _of_leaves(group: Leaves, matrix: NDArray[np.float32]) -> Numbers:
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
