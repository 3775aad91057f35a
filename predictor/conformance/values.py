"""Tensors' values: flat or nested, the same or not, of a datatype or not."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap

# What summing in another order, or a datatype in between, may change.
RELATIVE = 1e-6
BITS = (8, 16, 32, 64)


def same(found: list[object], expected: list[object]) -> bool:
    """Whether flat or nested data are the same, numbers nearly so."""
    pairs = list(elements(found)), list(elements(expected))
    return len(pairs[0]) == len(pairs[1]) and all(starmap(_near, zip(*pairs, strict=True)))


def _near(found: object, expected: object) -> bool:
    if type(found) is float and type(expected) in {float, int}:
        return math.isclose(found, float(str(expected)), rel_tol=RELATIVE)
    return found == expected


def fits(datatype: str, values: Sequence[object]) -> bool:
    """Whether JSON values are elements of a datatype."""
    return all(map(KINDS[datatype], values))


def _decimal(limit: float) -> Callable[[object], bool]:
    return lambda value: (type(value) is float or type(value) is int) and -limit <= value <= limit


def _whole(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value < high


KINDS: dict[str, Callable[[object], bool]] = {
    "BOOL": lambda value: type(value) is bool,
    "BYTES": lambda value: type(value) is str,
    "FP16": _decimal(65504),
    "FP32": _decimal((2 - 2**-23) * 2.0**127),
    "FP64": _decimal(sys.float_info.max),
    **{f"INT{bits}": _whole(-(2 ** (bits - 1)), 2 ** (bits - 1)) for bits in BITS},
    **{f"UINT{bits}": _whole(0, 2**bits) for bits in BITS},
}


def elements(data: list[object]) -> Iterator[object]:
    """Yield the elements of flat or nested data in row-major order."""
    open_lists = [iter(data)]  # and no recursion, since it is a server that nests them
    while open_lists:
        for value in open_lists[-1]:
            if type(value) is list:
                open_lists.append(iter(value))
                break
            yield value
        else:
            open_lists.pop()


def nested(flat: list[object], shape: list[int]) -> list[object]:
    """Return flat data nested as a shape says."""
    if len(shape) < 2:
        return flat
    step = len(flat) // shape[0]
    parts = [flat[start : start + step] for start in range(0, len(flat), step)]
    return [nested(part, shape[1:]) for part in parts]
