"""A file that is scored has the server's answers, to the last bit."""

import csv
import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from predictor import bundle
from predictor.cli import main
from predictor.contract import Contract, Row
from predictor.training.dataset import Dataset

ANSWERS = ("predicted_usage_kwh", "lower", "upper")


@pytest.fixture
def rows(dataset: Dataset, contract: Contract, manifest: bundle.Manifest) -> list[Row]:
    """Return the golden rows, and drawn ones that no training has seen."""
    generator = np.random.default_rng(21)
    columns = generator.permutation(dataset.columns)[:90]
    columns[:, :5] *= generator.uniform(0.5, 1, (90, 5))
    drawn: list[Row] = [
        {c.name: c.decode(value) for c, value in zip(contract.columns, row, strict=True)}
        for row in columns.tolist()
    ]
    return [*manifest.golden.rows, *drawn]


def test_a_file_is_answered_as_requests_are(
    tmp_path: Path, rows: list[Row], bundle_folder: Path, client: httpx.Client
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["score", str(source), str(target), "--bundle", str(bundle_folder)]) == 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    kinds = bundle.read(bundle_folder).manifest.contract.warnings
    messages = {warning.name: warning.message for warning in kinds}
    answered = []
    for first in range(0, len(rows), 40):
        answer = client.post("/predict/batch", json=rows[first : first + 40])
        assert answer.status_code == 200, answer.text
        answered += answer.json()["predictions"]
    assert len(found) == len(answered) == len(rows) > 90
    for one, other in zip(found, answered, strict=True):
        assert [one[name] for name in ANSWERS] == [other[name] for name in ANSWERS]
        assert [messages[name] for name in one["warnings"]] == other["warnings"]


def test_a_bad_row_is_refused_in_the_same_words(
    tmp_path: Path, row: Row, bundle_folder: Path, client: httpx.Client
) -> None:
    bad = row | {"nsm": 86400}
    (tmp_path / "in.jsonl").write_text(json.dumps(bad) + "\n")
    main(["score", f"{tmp_path}/in.jsonl", f"{tmp_path}/out.jsonl", "--bundle", str(bundle_folder)])
    with (tmp_path / "out.jsonl.rejected.csv").open(newline="") as file:
        [found] = csv.DictReader(file)
    said = client.post("/predict", json=bad).json()["error"]
    assert (found["file"], found["row"]) == (f"{tmp_path}/in.jsonl", "1")
    assert said == f"row 0, column {found['column']}: {found['reason']}"
