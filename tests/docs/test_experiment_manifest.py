"""What the documentation says of experiment_manifest.json, against what is read."""

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from predictor import experiment
from predictor.errors import ExperimentError
from predictor.experiment import Experiment, Input, ModelType
from predictor.training.imported import schema
from tests.docs.test_docs import REFERENCE, rows

PAGE = REFERENCE / "experiment-manifest.md"
SCHEMA = REFERENCE / "experiment_manifest.schema.json"


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PAGE.read_text().split("```json")[1].split("```")[0])
    return found


def test_the_published_schema_is_that_of_the_code() -> None:
    assert SCHEMA.read_text() == experiment.schema(), "out of date: make schema"


def test_every_field_and_every_model_type_has_its_row() -> None:
    fields = [*Experiment.__struct_fields__, *Input.__struct_fields__]
    named = [row[0].strip("`") for row in rows(PAGE)]
    assert named[: len(fields)] == fields
    assert sorted(named[len(fields) :]) == sorted(get_args(ModelType))


def test_the_example_is_one_that_the_schema_and_the_reader_take(tmp_path: Path) -> None:
    jsonschema.validate(example(), json.loads(SCHEMA.read_text()))
    path = tmp_path / experiment.FILE
    path.write_text(json.dumps(example()))
    contract = schema.contract_of(experiment.read(path))
    assert contract.names == ("flow", "line", "pressure")


@pytest.mark.parametrize(
    "change",
    [{"model_type": "pickle"}, {"input_schema": {}}, {"name": "Heat"}, {"colour": "red"}],
    ids=str,
)
def test_what_the_schema_refuses_the_reader_refuses(change: dict[str, Any], tmp_path: Path) -> None:
    given = example() | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, json.loads(SCHEMA.read_text()))
    path = tmp_path / experiment.FILE
    path.write_text(json.dumps(given))
    with pytest.raises(ExperimentError, match="is no experiment manifest"):
        experiment.read(path)


@pytest.mark.parametrize("created", ["yesterday", "2026-01-02", "2026-01-02T03:04:05"])
def test_a_moment_without_its_zone_is_refused(created: str, tmp_path: Path) -> None:
    path = tmp_path / experiment.FILE
    path.write_text(json.dumps(example() | {"created": created}))
    said = f"created is '{created}', expected a moment of ISO 8601 with its zone"
    with pytest.raises(ExperimentError, match=said):
        experiment.read(path)
    path.write_text(json.dumps(example() | {"created": ""}))
    assert experiment.read(path).created == ""
