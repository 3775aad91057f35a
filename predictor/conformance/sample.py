"""A request that a server must be able to answer; the invalid ones are made from it."""

from math import prod
from pathlib import Path
from typing import Annotated

import msgspec

from predictor.bundle import Bundle
from predictor.conformance.values import KINDS, elements, fits
from predictor.contract import Column, Row
from predictor.errors import JSON_ERRORS, SettingsError

ROWS = 3  # of a bundle's golden ones


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input tensor with its data flat or nested."""

    name: str
    shape: list[int]
    datatype: str
    data: list[object]

    def __post_init__(self) -> None:
        """Refuse a tensor that is not valid; msgspec says where it stands."""
        if self.datatype not in KINDS or not fits(self.datatype, self.flat):
            message = f"input {self.name}: its data are not of datatype {self.datatype}"
            raise ValueError(message)
        if not self.shape or not 0 < prod(self.shape) == len(self.flat):
            message = f"input {self.name}: {len(self.flat)} elements are not of shape {self.shape}"
            raise ValueError(message)

    @property
    def flat(self) -> list[object]:
        """The elements in row-major order."""
        return list(elements(self.data))

    def altered(self, **members: object) -> dict[str, object]:
        """Return the tensor as JSON has it, with some members changed."""
        return {**msgspec.structs.asdict(self), **members}

    def without(self, member: str) -> dict[str, object]:
        """Return the tensor as JSON has it, without one of its members."""
        return {name: value for name, value in self.altered().items() if name != member}


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Valid rows: `instances` for V1, `inputs` for V2, or the same rows for both."""

    instances: Annotated[list[object], msgspec.Meta(min_length=1)] | None = None
    inputs: Annotated[list[Tensor], msgspec.Meta(min_length=1)] | None = None


NONE = Sample()


def read(path: Path) -> Sample:
    """Return the sample in a JSON file; raises SettingsError when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sample)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise SettingsError(message) from error
    except JSON_ERRORS as error:
        message = f"{path} has no sample of instances or inputs: {error}"
        raise SettingsError(message) from error


def of_bundle(bundle: Bundle) -> Sample:
    """Return the first golden rows, as V1's instances and as one V2 tensor for each column.

    Rows with a missing value are left out, for which JSON's tensors have no word.
    """
    whole = [row for row in bundle.manifest.golden.rows if None not in row.values()]
    if not whole:
        message = f"{bundle.folder}: each golden row lacks a value: give a request of your own"
        raise SettingsError(message)
    rows = whole[:ROWS]
    inputs = [_tensor(column, rows) for column in bundle.manifest.contract.columns]
    return Sample(list(rows), inputs)


def _tensor(column: Column, rows: list[Row]) -> Tensor:
    data = [column.decode(column.encode(row[column.name])) for row in rows]
    return Tensor(column.name, [len(rows)], column.datatype, list(data))
