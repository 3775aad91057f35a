"""What is asked: rows of the training data, each way, and the answers that are right."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import load, ways
from benchmarks.load import Address, WrongAnswerError
from benchmarks.ways import V1, Way
from predictor import bundle, graph
from predictor.contract import Row
from predictor.training import dataset

SIZES = (1, 100, 1_000, 10_000)


@dataclass(frozen=True)
class Subject:
    """Requests by their number of rows, and what the graph itself says of all rows."""

    folder: Path
    served: bundle.Bundle
    ways: dict[int, dict[str, Way]]
    expected: list[float]

    def check(self, address: Address, rows: int = 1, way: str = V1) -> None:
        """Ask once; raises WrongAnswerError when the answer is not the graph's."""
        got = load.ask(address, self.ways[rows][way])
        allowed = bundle.GOLDEN_TOLERANCE * max(map(abs, self.expected))
        if len(got) != rows or not np.allclose(got, self.expected[:rows], rtol=0, atol=allowed):
            message = f"{rows} rows: got {got[:1]}, expected {self.expected[:1]}"
            raise WrongAnswerError(message)


def read(folder: Path) -> Subject:
    """Return what is asked of the bundle in a folder."""
    served = bundle.read(folder)
    contract = served.manifest.contract
    drawn = np.random.default_rng(0).choice(dataset.load(contract).columns, max(SIZES))
    rows: list[Row] = [
        {column.name: column.decode(v) for column, v in zip(contract.columns, cells, strict=True)}
        for cells in drawn.tolist()
    ]
    columns = np.array(contract.encode_rows(rows), np.float64)
    expected = graph.predict(graph.load(served.model), contract, columns)[0].tolist()
    by_size = {count: ways.made(served.manifest, rows[:count]) for count in SIZES}
    return Subject(folder.resolve(), served, by_size, expected)
