"""What is learned from which columns, and with which parameters: a track is one answer to both."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from predictor.contract import Contract, RowWarning
from predictor.errors import SettingsError
from predictor.training import columns, features
from predictor.training.ensemble.boosters import Recipe
from predictor.training.features import Builder

LEAKING = {*features.FACTORS, "co2"}


@dataclass(frozen=True)
class Track:
    """How one model is made of a contract's columns.

    `physics` are features whose half-widths tell hard rows from others, if there are such;
    `group` is the column whose labels have an interval calibrated for each, if any.
    """

    name: str
    contract: Contract
    features: Builder
    recipes: Mapping[str, Recipe]
    physics: Builder | None = None
    group: str | None = None

    @property
    def has_physics(self) -> bool:
        """Whether the features confine the target by themselves."""
        return self.features is self.physics

    @property
    def group_names(self) -> list[str]:
        """The names of the groups by their codes; one without a name where all rows are one."""
        return self.contract.columns_by_name[self.group].names if self.group else [""]

    def group_codes(self, columns: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the code of each raw row's group, (n,), 0 where all rows are one."""
        if self.group is None:
            return np.zeros(len(columns), np.intp)
        return columns[:, self.contract.names.index(self.group)].astype(np.intp)


def _without(contract: Contract, names: set[str]) -> Contract:
    kept = tuple(column for column in contract.columns if column.name not in names)
    return msgspec.structs.replace(contract, columns=kept)


def _with_warnings(contract: Contract, *warnings: RowWarning) -> Contract:
    return msgspec.structs.replace(contract, warnings=warnings)


SMALL = {
    "xgboost": Recipe(
        {"max_depth": 4, "learning_rate": 0.06, "min_child_weight": 20}, (10, 20, 40, 80, 130)
    ),
    "lightgbm": Recipe(
        {"num_leaves": 16, "max_depth": 4, "learning_rate": 0.06, "min_data_in_leaf": 20},
        (10, 20, 40, 80, 130),
    ),
    "catboost": Recipe({"depth": 4, "learning_rate": 0.06}, (10, 20, 40, 80, 130)),
}
# The target is a smooth function of the raw columns without noise: many trees, finely binned.
FINE = {
    "xgboost": Recipe(
        {"max_depth": 4, "learning_rate": 0.2, "min_child_weight": 1, "max_bin": 1024},
        (250, 500, 750, 1000),
    ),
    "lightgbm": Recipe(
        {
            "num_leaves": 31,
            "learning_rate": 0.1,
            "min_data_in_leaf": 5,
            "max_bin": 1023,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
        },
        (250, 500, 750, 1000),
    ),
    "catboost": Recipe(
        {"depth": 6, "learning_rate": 0.2, "border_count": 1024}, (250, 500, 750, 1000)
    ),
}
COMMON = {
    "xgboost": Recipe(
        {"max_depth": 6, "learning_rate": 0.05, "min_child_weight": 5}, (25, 50, 100, 200, 400)
    ),
    "lightgbm": Recipe(
        {"num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 20}, (25, 50, 100, 200, 400)
    ),
    "catboost": Recipe({"depth": 6, "learning_rate": 0.08}, (25, 50, 100, 200, 400)),
}

ANCHORED = Track(
    "anchored",
    _with_warnings(columns.CONTRACT, columns.INCONSISTENT, columns.FRACTION, columns.UNBOUNDED),
    features.anchored,
    SMALL,
    physics=features.anchored,
    group="load_type",
)
RAW = Track(
    "raw",
    _with_warnings(columns.CONTRACT, columns.INCONSISTENT, columns.FRACTION),
    features.checked,
    FINE,
    physics=features.anchored,
    group="load_type",
)
NO_LEAK = Track(
    "no-leak",
    _without(columns.CONTRACT, LEAKING),
    features.plain,
    COMMON,
    group="load_type",
)

TRACKS = {track.name: track for track in (ANCHORED, RAW, NO_LEAK)}
OTHER_DATA = "columns"


def of_columns(contract: Contract, group: str | None) -> Track:
    """Return the track of any tabular regression: the columns themselves, and no physics.

    Raises SettingsError when `group` is no column with labels, and when the contract is of another
    kind of model.
    """
    if (
        contract.target.classes
        or not contract.interval
        or len(contract.required) < len(contract.names)
    ):
        message = (
            "the contract has classes, no interval or a column that may be missing; what is "
            "trained here is a number with its interval, of rows that are whole"
        )
        raise SettingsError(message)
    if group and (
        group not in contract.columns_by_name or contract.columns_by_name[group].datatype != "BYTES"
    ):
        message = f"got the group {group!r}, expected a column of datatype BYTES"
        raise SettingsError(message)
    if contract.warnings:
        message = "the contract has warnings, which only the steel plant's features can give"
        raise SettingsError(message)
    return Track(OTHER_DATA, contract, features.plain, COMMON, group=group)
