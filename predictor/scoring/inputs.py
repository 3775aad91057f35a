"""Finding the files that are to be scored, and what their columns are."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from predictor.contract import Column, Contract
from predictor.errors import JSON_ERRORS, ScoringError
from predictor.scoring.storage import Place, named, place, stamp

# In which a text file's header must end, and a JSON Lines file show all of its columns.
HEAD_BYTES = 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# No whole number beyond is exact as a float64.
EXACT = 2**53


class Kind(Enum):
    """A format of files."""

    CSV = "CSV"
    JSONL = "JSON Lines"
    PARQUET = "Parquet"


SUFFIXES = {
    ".csv": Kind.CSV,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".parquet": Kind.PARQUET,
}


@dataclass(frozen=True)
class File:
    """A file of rows: `begin` is where the first is in a text, `groups` Parquet's rows by group."""

    name: str
    size: int
    stamp: str
    begin: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Source:
    """What all files of an input share: `schema` has their columns as Arrow would write them."""

    kind: Kind
    schema: pa.Schema = field(hash=False)


def kind_of(url: str) -> Kind:
    """Return the format of a file by the end of its name; raises ScoringError for others."""
    lower = url.lower()
    for suffix, kind in SUFFIXES.items():
        if lower.endswith(suffix):
            return kind
        if lower.endswith((f"{suffix}.gz", f"{suffix}.zst", f"{suffix}.bz2")):
            message = f"{url} is compressed, so that no part can be read alone: unpack it"
            raise ScoringError(message)
    message = f"{url}: got a name of no known format, expected one that ends in "
    raise ScoringError(message + ", ".join(SUFFIXES))


def find(url: str, contract: Contract) -> tuple[Source, tuple[File, ...]]:
    """Return what a path, a URL or a glob names, in the order of the names.

    Raises ScoringError, naming the file, when there is none, or when their columns are not alike
    or not those of the contract.
    """
    with named(url):
        places = _places(url)
        kind = kind_of(places[0].name)
        looked = [_look(place, kind, contract) for place in places]
    (first, schema), *others = looked
    for file, found in others:
        if not found.equals(schema):
            expected = f"expected {_said(schema)} as {first.name}"
            message = f"{file.name}: got the columns {_said(found)}, {expected}"
            raise ScoringError(message)
    return Source(kind, schema), tuple(file for file, _ in looked)


def _places(url: str) -> list[Place]:
    asked = place(url)
    if any(sign in asked.path for sign in "*?["):
        found = [asked.at(path) for path in sorted(asked.fs.glob(asked.path))]
        if not found:
            message = f"{url}: no file has such a name"
            raise ScoringError(message)
        kinds = {kind_of(each.name): each.name for each in found}
        if len(kinds) > 1:
            message = f"{url}: expected files of one format, got {', '.join(kinds.values())}"
            raise ScoringError(message)
        return found
    if asked.fs.isdir(asked.path):
        message = f"{url} is a folder; name its files, such as '{url.rstrip('/')}/*.parquet'"
        raise ScoringError(message)
    return [asked]


def _look(at: Place, kind: Kind, contract: Contract) -> tuple[File, pa.Schema]:
    with named(at.name):
        info = at.fs.info(at.path)
        file = File(at.name, int(info["size"]), stamp(info))
        if kind is Kind.PARQUET:
            return _look_at_parquet(at, file, contract)
        head = at.span(0, min(file.size, HEAD_BYTES))
        if kind is Kind.CSV:
            begin, names = _header(head, at.name)
        else:
            begin = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
            names = _keys(head[begin:], at.name, contract, is_cut=file.size > HEAD_BYTES)
    _check_names(names, contract, at.name)
    file = File(file.name, file.size, file.stamp, begin)
    return file, pa.schema([_text_field(name, contract) for name in names])


def _look_at_parquet(at: Place, file: File, contract: Contract) -> tuple[File, pa.Schema]:
    with at.open_anywhere() as opened, pq.ParquetFile(opened) as parquet:
        schema = pa.schema([_read_as(each) for each in parquet.schema_arrow])
        groups = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
    _check_names(schema.names, contract, at.name)
    for name in schema.names:
        kind = schema.field(name).type
        if name in contract.columns_by_name and not holds_cells(kind):
            wanted = contract.columns_by_name[name].expectation
            message = f"{at.name}: column {name} has the type {kind}, expected {wanted}"
            raise ScoringError(message)
    return File(file.name, file.size, file.stamp, groups=tuple(groups)), schema


def _read_as(column: pa.Field) -> pa.Field:
    """Return a column as it is read: not as a view, for which Arrow lacks functions."""
    kind = column.type
    if _is_string_view(kind):
        return pa.field(column.name, pa.string())
    if pa.types.is_binary_view(kind):
        return pa.field(column.name, pa.binary())
    if any(_is_string_view(each) or pa.types.is_binary_view(each) for each in within(kind)):
        message = f"column {column.name!r} is of type {kind}: write it without views"
        raise ScoringError(message)
    return column.remove_metadata()


def within(kind: pa.DataType) -> Iterator[pa.DataType]:
    """Yield a type and all that it is made of."""
    yield kind
    for number in range(kind.num_fields):
        yield from within(kind.field(number).type)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    return any(
        test(kind) for test in (pa.types.is_string, pa.types.is_large_string, _is_string_view)
    )


def _is_string_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind))


def holds_cells(kind: pa.DataType) -> bool:
    """Whether a column of this type may be one of a contract."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null, is_text)
    return any(test(kind) for test in tests)


def _header(head: bytes, name: str) -> tuple[int, list[str]]:
    """Return where a CSV file's rows begin, and its columns."""
    line, newline, _ = head.partition(b"\n")
    if not newline and len(head) == HEAD_BYTES:
        message = f"{name}: the header has over {HEAD_BYTES} bytes"
        raise ScoringError(message)
    text = line.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r").decode()
    names = next(csv.reader([text]), [])
    return len(line) + len(newline), names


def _keys(head: bytes, name: str, contract: Contract, *, is_cut: bool) -> list[str]:
    """Return the columns that a JSON Lines file shows at its begin, then those it may have."""
    lines = head.split(b"\n")
    if is_cut and len(lines) > 1:
        lines.pop()
    found: dict[str, None] = {}
    for line in lines:
        try:
            row = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        except JSON_ERRORS:  # which is said of the row, when it is scored
            continue
        found.update(dict.fromkeys(row))
    if not found:
        message = f"{name}: no line of the first {len(head)} bytes is a JSON object"
        raise ScoringError(message)
    found.update({c.name: None for c in contract.columns if c.optional})
    return list(found)


def _check_names(names: Sequence[str], contract: Contract, file: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        message = f"{file}: two columns are called {twice!r}"
        raise ScoringError(message)
    for column in contract.columns:
        if not column.optional and column.name not in names:
            message = f"{file}: column {column.name!r} is missing; the file has {', '.join(names)}"
            raise ScoringError(message)


def _text_field(name: str, contract: Contract) -> pa.Field:
    """Return a text file's column as it is written where columns have types."""
    column = contract.columns_by_name.get(name)
    return pa.field(name, pa.string() if column is None else type_of(column))


def type_of(column: Column) -> pa.DataType:
    """Return the type of a column whose cells were texts or JSON: labels stay texts."""
    if column.labels:
        return pa.string()
    is_whole = column.datatype == "INT64"
    is_exact = column.minimum >= -EXACT and column.maximum <= EXACT
    return pa.int64() if is_whole and is_exact else pa.float64()


def _said(schema: pa.Schema) -> str:
    return ", ".join(f"{each.name} ({each.type})" for each in schema)
