"""Scoring one block, in whatever process or machine: what is read, predicted and written of it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from predictor import bundle, graph
from predictor.bundle import Bundle
from predictor.contract import Contract
from predictor.errors import ScoringError
from predictor.graph import Outputs
from predictor.scoring.cells import Refusal, encode
from predictor.scoring.inputs import Kind, Source
from predictor.scoring.parts import Parts
from predictor.scoring.plan import Block
from predictor.scoring.reading import read
from predictor.scoring.storage import named
from predictor.scoring.writing import writer

# So many rows are predicted at a time: more take memory, and no less time each.
RUN_ROWS = 2**14


@dataclass(frozen=True)
class Job:
    """What every block's scoring needs to know; all of it can be sent to another machine."""

    source: Source
    output: Kind
    folder: str
    version: str
    parts: str
    fingerprint: str


class Note(msgspec.Struct, frozen=True):
    """What is kept beside a part: how many rows it is of, and which of them it is without."""

    rows: int
    refused: list[Refusal]


def score(job: Job, block: Block) -> int:
    """Score a block, write its part, and return how many rows were refused.

    Raises ScoringError, naming the file.
    """
    parts = Parts(job.parts, job.fingerprint)
    with named(block.file):
        model = _loaded(job.folder, job.version)
        refused: list[Refusal] = []
        rows = 0
        with (
            parts.part(block.number) as file,
            writer(file, job.source, job.output, model.contract) as write,
        ):
            for chunk in read(job.source, model.contract, block):
                encoded = encode(model.contract, chunk)
                refused += encoded.refused
                rows += len(chunk.places) + len(chunk.refused)
                if encoded.good.any():
                    write(chunk, encoded, model.predict(encoded.columns[encoded.good]))
        parts.write_note(block.number, msgspec.json.encode(Note(rows, sorted(refused))))
    return len(refused)


@dataclass(frozen=True)
class Model:
    """A bundle's graph, ready to run in this process."""

    bundle: Bundle
    session: Any

    @property
    def contract(self) -> Contract:
        """What a row has, and what is predicted."""
        return self.bundle.manifest.contract

    def predict(self, columns: np.ndarray[Any, np.dtype[np.float64]]) -> Outputs:
        """Return the outputs for many rows, some at a time."""
        runs = [
            graph.predict(self.session, self.contract, columns[start : start + RUN_ROWS])
            for start in range(0, len(columns), RUN_ROWS)
        ]
        return Outputs(*map(np.concatenate, zip(*runs, strict=True)))


@lru_cache(maxsize=1)
def _loaded(folder: str, version: str) -> Model:
    found = bundle.read(Path(folder))
    if found.manifest.version != version:
        message = f"{folder} has version {found.manifest.version} here, expected {version}"
        raise ScoringError(message)
    return Model(found, graph.load(found.model))
