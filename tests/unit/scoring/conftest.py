import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import cpus
from predictor.scoring import plan, run
from predictor.scoring.parts import Counts

Rows = list[dict[str, Any]]
Score = Callable[..., Counts | None]


@pytest.fixture
def score(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """Return what scores a file with the session's bundle, or with another one, in one thread."""
    monkeypatch.setattr(cpus, "count", lambda _: 1)

    def score(source: object, target: object, **others: Any) -> Counts | None:  # noqa: ANN401
        order = {"bundle": bundle_folder} | others
        return run.run(run.Order(str(source), str(target), **order), lambda _: None, lambda _: None)

    return score


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into many blocks."""
    monkeypatch.setattr(plan, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(plan, "BLOCK_ROWS", 60)


def write(path: Path, rows: Rows) -> Path:
    """Write rows in the format of the path's suffix."""
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    return path


def read(path: Path) -> Rows:
    """Return rows as the file has them: a CSV file's are texts."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    found: Rows = pq.read_table(path).to_pylist()
    return found


def refused(path: Path) -> Sequence[tuple[str, ...]]:
    """Return the rows beside an output that were refused, without their file."""
    with path.with_name(f"{path.name}.rejected.csv").open(newline="", encoding="utf-8") as file:
        return [tuple(row.values())[1:] for row in csv.DictReader(file)]
