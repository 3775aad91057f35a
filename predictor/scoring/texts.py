"""Columns of Arrow → texts of CSV and of JSON, whole columns at once."""

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.scoring.inputs import is_text

# A number without any of these reads as a whole number where JSON tells them apart.
FRACTION = "[.en]"
LIST_SEPARATOR = ";"

Texts = Callable[[pa.Array], pa.Array]


def csv_texts(column: pa.Array) -> pa.Array:
    """Return a column's values as CSV has them: null as nothing, a list's joined by `;`.

    A number reads back as the same number.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return csv_texts(column.dictionary_decode())
    if pa.types.is_list(kind):
        return _quoted(pc.binary_join(column, LIST_SEPARATOR)).fill_null("")
    texts = pc.cast(column, pa.string())
    return (_quoted(texts) if is_text(kind) else texts).fill_null("")


def _quoted(texts: pa.Array) -> pa.Array:
    needs = pc.match_substring_regex(texts, '[",\r\n]')
    if not pc.any(needs).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def json_texts(column: pa.Array) -> pa.Array:
    """Return a column's values as JSON has them: what it has no word for is null.

    A number reads back as the same number, of the same kind.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        return _json_numbers(column)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.cast(column, pa.string()).fill_null("null")
    if is_text(kind):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        words = _encoded(column.dictionary).take(column.indices)
        return words.fill_null("null")
    if pa.types.is_list(kind):
        return _json_lists(column)
    if is_in_nanoseconds(kind):
        return _encoded(pc.replace_substring(pc.cast(column, pa.string()), " ", "T"))
    return _encoded(column)


def is_in_nanoseconds(kind: pa.DataType) -> bool:
    """Whether a time of this type is finer than Python has any."""
    tests = (pa.types.is_timestamp, pa.types.is_time, pa.types.is_duration)
    return any(test(kind) for test in tests) and kind.unit == "ns"


def _json_numbers(column: pa.Array) -> pa.Array:
    texts = pc.cast(column, pa.string())
    whole = pc.invert(pc.match_substring_regex(texts, FRACTION))
    texts = pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return pc.if_else(pc.is_finite(column), texts, "null").fill_null("null")


def _json_lists(column: pa.Array) -> pa.Array:
    offsets = np.array(column.offsets)
    items = pa.ListArray.from_arrays(
        pa.array(offsets - offsets[0]),
        json_texts(column.values.slice(offsets[0], offsets[-1] - offsets[0])),
    )
    texts = pc.binary_join_element_wise("[", pc.binary_join(items, ","), "]", "")
    return pc.if_else(pc.is_valid(column), texts, "null")


def _encoded(column: pa.Array) -> pa.Array:
    """Return values that have no faster way, one by one."""
    return pa.array([msgspec.json.encode(value) for value in column.to_pylist()], pa.string())


def csv_rows(columns: list[pa.Array]) -> pa.Array:
    """Return columns side by side as the texts of CSV's rows."""
    return pc.binary_join_element_wise(*map(csv_texts, columns), ",")


def json_members(names: list[str], columns: list[pa.Array]) -> pa.Array:
    """Return columns side by side as the members of JSON's objects, without their braces."""
    pieces: list[pa.Array | str] = []
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        comma = "," if place else ""
        pieces += [f"{comma}{msgspec.json.encode(name).decode()}:", json_texts(column)]
    return pc.binary_join_element_wise(*pieces, "")


def joined(texts: pa.Array) -> bytes:
    """Return texts as lines."""
    ends = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pc.binary_join(ends, "\n")[0].as_buffer()) + b"\n" if len(texts) else b""
