"""Measures `predictor score` beside the graph alone, and how much memory it takes.

The rows are those of the packaged year, again and again, each with a jitter of its own, so that
no column repeats. Each round runs, in turn and with as many threads or processes as there are CPUs:

- alone: one session in threads, over a matrix that is in memory already.
- score: the command, from a file to a file with intervals and warnings. `÷ alone` is of its rows a
  second; *CPU* is the processor time of all its processes for a row, which other load on the
  machine changes less; memory is the greatest sum of the resident sets of all its processes, where
  pages that are shared count in each.
- S3: the same with input and output in a store, of which a server runs on this machine; what that
  uses of the CPUs is not counted.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from benchmarks.processes import megabytes
from benchmarks.store import BUCKET, Store
from predictor import bundle, cpus, graph
from predictor.contract import Contract
from predictor.training import dataset

SLICE_ROWS = 2**14
GROUP_ROWS = 2**20
# Texts are scored of fewer rows, and the graph alone is run over no more.
TEXT_SHARE = 10
POLL_SECONDS = 0.1

# Seconds, those of the CPUs, and megabytes.
Measured = tuple[float, float, float]


def main() -> None:
    """Print rows a second, their ratio to those of the graph alone, and the memory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("bundle"))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--versitygw", type=Path, help="the program of a server of S3")
    options = parser.parse_args()
    served = bundle.read(options.bundle)
    workers = cpus.count(cpus.limit())
    print(f"{workers} CPUs, {options.rows:,} rows of Parquet, a tenth of texts")
    print(f"{'way':<20}{'rows/s':>10}{'÷ alone':>9}{'CPU, µs':>9}{'seconds':>9}{'MB':>7}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = dict(_files(folder, served.manifest.contract, options.rows))
        measured: dict[str, list[tuple[float, ...]]] = {}
        for _ in range(options.rounds):
            alone = 0.0
            for way, rows, (seconds, cpu, memory) in _round(options, served, files, workers):
                rate = rows / seconds
                alone = alone or rate
                row = (rate, rate / alone, cpu / rows * 1e6, seconds, memory)
                measured.setdefault(way, []).append(row)
    for way, rounds in measured.items():
        rate, ratio, cpu, seconds, memory = map(statistics.median, zip(*rounds, strict=True))
        print(f"{way:<20}{rate:>10,.0f}{ratio:>9.2f}{cpu:>9.2f}{seconds:>9.1f}{memory:>7.0f}")


def _round(
    options: argparse.Namespace, served: bundle.Bundle, files: Mapping[str, Path], workers: int
) -> Iterator[tuple[str, int, Measured]]:
    """Yield the ways one after the other, the graph alone first: rows, and what they took."""
    few = options.rows // TEXT_SHARE
    yield "alone", few, _alone(served, workers, few)
    for kind, file in files.items():
        output = file.with_stem("out")
        rows = options.rows if kind == "parquet" else few
        yield kind, rows, _scored(file, output, options.bundle)
        output.unlink()
    if options.versitygw:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(options.versitygw, Path(folder))
            with store.serving():
                (store.bucket / "in.parquet").hardlink_to(files["parquet"])
                source, target = (f"s3://{BUCKET}/{name}.parquet" for name in ("in", "out"))
                found = _scored(source, target, options.bundle, store.variables)
        yield "parquet, S3", options.rows, found


def _matrix(contract: Contract, first: int, rows: int) -> NDArray[np.float64]:
    """Return rows of the year from a place on, as often as it takes, with a jitter."""
    year = dataset.load(contract).columns
    generator = np.random.default_rng(first)
    found = year[np.arange(first, first + rows) % len(year)]
    for place, column in enumerate(contract.columns):
        if column.datatype == "FP64":
            jittered = found[:, place] * generator.uniform(0.98, 1.02, rows)
            found[:, place] = np.clip(jittered, column.minimum, column.maximum)
    return found


def _files(folder: Path, contract: Contract, rows: int) -> Iterator[tuple[str, Path]]:
    """Write the rows in each format; yield the formats with their files."""
    parquet = folder / "in.parquet"
    types = {"FP64": pa.float64(), "INT64": pa.int64(), "BYTES": pa.string()}
    schema = pa.schema([(c.name, types[c.datatype]) for c in contract.columns])
    with pa.parquet.ParquetWriter(parquet, schema) as writer:
        for first in range(0, rows, GROUP_ROWS):
            found = _matrix(contract, first, min(GROUP_ROWS, rows - first))
            writer.write_table(_table(found, contract, schema))
    yield "parquet", parquet
    table = _table(_matrix(contract, 0, rows // TEXT_SHARE), contract, schema)
    pa.csv.write_csv(table, folder / "in.csv")
    yield "csv", folder / "in.csv"
    with (folder / "in.jsonl").open("wb") as file:
        for row in table.to_pylist():
            file.write(msgspec.json.encode(row) + b"\n")
    yield "jsonl", folder / "in.jsonl"


def _table(found: NDArray[np.float64], contract: Contract, schema: pa.Schema) -> pa.Table:
    columns = []
    for column, numbers in zip(contract.columns, found.T, strict=True):
        if column.datatype == "BYTES":
            columns.append(pa.array(column.names).take(pa.array(numbers.astype(np.int32))))
        else:
            columns.append(pa.array(numbers).cast(schema.field(column.name).type))
    return pa.Table.from_arrays(columns, schema=schema)


def _alone(served: bundle.Bundle, workers: int, rows: int) -> Measured:
    """Return what the graph's runs take, and nothing else; their memory is not looked at."""
    session, contract = graph.load(served.model), served.manifest.contract
    matrix = _matrix(contract, 0, rows)
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(workers) as threads:
        pieces = (matrix[start : start + SLICE_ROWS] for start in range(0, rows, SLICE_ROWS))
        for outputs in threads.map(lambda piece: graph.predict(session, contract, piece), pieces):
            assert np.isfinite(outputs.values).all()  # noqa: S101 - it did predict
    return time.perf_counter() - started, time.process_time() - used, 0.0


def _scored(
    source: object, target: object, folder: Path, variables: Mapping[str, str] | None = None
) -> Measured:
    """Run the command; return what it took."""
    command = [sys.executable, "-m", "predictor", "score", str(source), str(target)]
    command += ["--bundle", str(folder)]
    environment = os.environ | (variables or {})
    started, used, most = time.perf_counter(), _cpu_seconds(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        while process.poll() is None:
            most = max(most, _megabytes(process.pid))
            time.sleep(POLL_SECONDS)
    if process.returncode:
        sys.exit(f"scoring {source} ended with {process.returncode}")
    return time.perf_counter() - started, _cpu_seconds() - used, most


def _cpu_seconds() -> float:
    """Return what all processes have used that were started here, and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _megabytes(pid: int) -> float:
    try:
        return megabytes(pid)
    except OSError:  # one of them ended meanwhile
        return 0.0


if __name__ == "__main__":
    main()
