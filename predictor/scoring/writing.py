"""Writing rows with their answers: as lines, or as Arrow's batches, of which Parquet is made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from predictor.contract import LOWER, UPPER, WARNINGS, Contract
from predictor.errors import ScoringError
from predictor.graph import Outputs
from predictor.scoring.cells import Chunk, Encoded
from predictor.scoring.inputs import Kind, Source, within
from predictor.scoring.texts import csv_rows, is_in_nanoseconds, joined, json_members

# Of what is read once and then removed.
PART_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")

Write = Callable[[Chunk, Encoded, Outputs], None]


def answer_schema(contract: Contract) -> pa.Schema:
    """Return the columns that every row gets."""
    target = contract.target
    ends = [LOWER, UPPER] if contract.interval else []
    numbers = [*ends, *(f"probability_{name}" for name in target.classes)]
    predicted = pa.string() if target.classes else pa.float64()
    return pa.schema(
        [
            (f"predicted_{target.name}", predicted),
            *((name, pa.float64()) for name in numbers),
            (WARNINGS, pa.list_(pa.string())),
        ]
    )


def schema_of(source: Source, output: Kind, contract: Contract) -> pa.Schema:
    """Return the columns of what is written; raises ScoringError when they cannot be."""
    for name in answer_schema(contract).names:
        if name in source.schema.names:
            message = f"the input has a column {name!r}, which is written too: rename it"
            raise ScoringError(message)
    has_words = WORDS.get(output, lambda _: True)
    for each in source.schema:
        if not has_words(each.type):
            what = f"column {each.name!r} is of type {each.type}"
            message = f"{what}, which {output.value} has not: take Parquet"
            raise ScoringError(message)
    return pa.schema([*source.schema, *answer_schema(contract)])


def _has_csv(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or any(test(kind) for test in BINARY))


def _has_json(kind: pa.DataType) -> bool:
    """Whether JSON has words for all values; Python, which finds most, has no nanoseconds."""
    if pa.types.is_list(kind):
        return _has_json(kind.value_type)
    if pa.types.is_nested(kind):
        return not any(is_in_nanoseconds(each) for each in within(kind))
    return not (pa.types.is_duration(kind) and is_in_nanoseconds(kind))


BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
WORDS = {Kind.CSV: _has_csv, Kind.JSONL: _has_json}


def header(schema: pa.Schema) -> bytes:
    """Return the first line of a CSV file."""
    return joined(csv_rows([pa.array([name]) for name in schema.names]))


@contextmanager
def writer(file: IO[bytes], source: Source, output: Kind, contract: Contract) -> Iterator[Write]:
    """Yield what writes a chunk's good rows with their answers to a part."""
    schema = schema_of(source, output, contract)
    if output is not Kind.PARQUET:
        is_same = source.kind is output

        def write_lines(chunk: Chunk, encoded: Encoded, outputs: Outputs) -> None:
            answers = _answers(contract, outputs)
            if is_same:
                heads = chunk.heads(np.flatnonzero(encoded.good))
                tails = _lines(answers, output)
                file.write(joined(pc.binary_join_element_wise(heads, tails, "")))
                return
            columns = [*_columns(chunk, encoded, source, contract), *answers.columns]
            rows = pa.Table.from_arrays(columns, schema=schema).combine_chunks()
            lines = _lines(rows, output)
            if output is Kind.JSONL:
                lines = pc.binary_join_element_wise("{", lines, "")
            file.write(joined(lines))

        yield write_lines
        return
    with pa.ipc.new_stream(file, schema, options=PART_OPTIONS) as stream:

        def write_batch(chunk: Chunk, encoded: Encoded, outputs: Outputs) -> None:
            columns = _columns(chunk, encoded, source, contract)
            answers = _answers(contract, outputs)
            stream.write_batch(
                pa.RecordBatch.from_arrays([*columns, *answers.columns], schema=schema)
            )

        yield write_batch


def _lines(rows: pa.RecordBatch | pa.Table, output: Kind) -> pa.Array:
    columns = [
        column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        for column in rows.columns
    ]
    if output is Kind.CSV:
        return csv_rows(columns)
    return pc.binary_join_element_wise(json_members(rows.schema.names, columns), "}", "")


def _columns(chunk: Chunk, encoded: Encoded, source: Source, contract: Contract) -> list[pa.Array]:
    """Return the input's columns of the good rows, as the schema has them."""
    mask = pa.array(encoded.good)
    found = []
    for each in source.schema:
        place = contract.names.index(each.name) if each.name in contract.names else -1
        if place < 0 or source.kind is Kind.PARQUET or pa.types.is_string(each.type):
            found.append(chunk.column(each.name).filter(mask))
        else:
            numbers = encoded.columns[encoded.good, place]
            found.append(pa.array(numbers, mask=np.isnan(numbers)).cast(each.type))
    return found


def _answers(contract: Contract, outputs: Outputs) -> pa.RecordBatch:
    """Return what a graph gave, as the columns that it is written in."""
    target = contract.target
    predicted = pa.array(outputs.values)
    if target.classes:
        predicted = pa.array(target.classes).take(predicted.cast(pa.int32()))
    ends = [pa.array(outputs.lower), pa.array(outputs.upper)] if contract.interval else []
    likely = [pa.array(outputs.probabilities[:, place]) for place in range(len(target.classes))]
    columns = [predicted, *ends, *likely, _warnings(contract, outputs)]
    return pa.RecordBatch.from_arrays(columns, schema=answer_schema(contract))


def _warnings(contract: Contract, outputs: Outputs) -> pa.Array:
    """Return the names of each row's warnings."""
    names = pa.array([warning.name for warning in contract.warnings], pa.string())
    ends = np.cumsum(outputs.warnings.sum(axis=1), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    kinds = np.nonzero(outputs.warnings)[1]
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(kinds)))
