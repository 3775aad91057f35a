"""What the service of the model progression promises, asked of a real server with real rows.

The rows and what the model predicts for them are the bundle's golden ones.
"""

import importlib.util
import json
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import FOLDER, Service

COLUMNS = ["age","sex","body_mass","blood_pressure","s1","s2","s3","s4","s5","s6"]
TARGET = "progression"
CLASSES: list[str] = []
# As a share of the largest prediction: the order in which a build adds the leaves.
TOLERANCE = 1e-9


@pytest.fixture(scope="session")
def schemas() -> ModuleType:
    """Return service.py."""
    spec = importlib.util.spec_from_file_location("service", FOLDER / "service.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def row(manifest: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = manifest["golden"]["rows"][0]
    return dict(first)


def expected(manifest: dict[str, Any]) -> list[Any]:
    """Return the golden predictions as the service answers them: a class by its name."""
    found = manifest["golden"]["predictions"]
    return [CLASSES[int(place)] for place in found] if CLASSES else found


def same(found: list[Any], wanted: list[Any]) -> bool:
    if CLASSES:
        return found == wanted
    allowed = TOLERANCE * max(1.0, *(abs(value) for value in wanted))
    return len(found) == len(wanted) and all(
        abs(one - other) <= allowed for one, other in zip(found, wanted, strict=True)
    )


def test_every_golden_row_gets_its_golden_prediction(
    service: Service, manifest: dict[str, Any]
) -> None:
    status, text = service.ask("/predict/batch", manifest["golden"]["rows"])
    assert status == 200, text
    found = [prediction[f"predicted_{TARGET}"] for prediction in json.loads(text)["predictions"]]
    assert same(found, expected(manifest))


def test_one_valid_row_is_answered_as_its_type_says(
    service: Service, manifest: dict[str, Any], row: dict[str, Any], schemas: ModuleType
) -> None:
    sent = schemas.Row.model_validate(row).model_dump(mode="json", by_alias=True)
    status, text = service.ask("/predict", sent)
    assert status == 200, text
    answer = schemas.Answer.model_validate_json(text)
    assert same([getattr(answer, f"predicted_{TARGET}")], expected(manifest)[:1])
    assert answer.features_used == COLUMNS


@pytest.mark.parametrize("column", COLUMNS)
def test_a_wrong_value_is_refused_by_its_columns_name(
    service: Service, row: dict[str, Any], column: str
) -> None:
    status, text = service.ask("/predict", row | {column: ["no", "value"]})
    assert status == 422
    assert column in json.loads(text)["error"]


def test_a_column_that_is_none_is_refused(service: Service, row: dict[str, Any]) -> None:
    status, text = service.ask("/predict", row | {"no_such_column": 1})
    assert status == 422
    assert "no_such_column" in json.loads(text)["error"]


def test_v1_predicts_the_same(service: Service, manifest: dict[str, Any]) -> None:
    body = {"instances": manifest["golden"]["rows"]}
    status, text = service.ask("/v1/models/progression:predict", body)
    assert status == 200, text
    assert same(json.loads(text)["predictions"], expected(manifest))


def test_v2_tells_of_the_model(service: Service, manifest: dict[str, Any]) -> None:
    status, text = service.ask("/v2/models/progression")
    assert status == 200, text
    assert json.loads(text)["versions"] == [manifest["version"]]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [("/health", "status", "healthy"), ("/health/ready", "ready", True)],
)
def test_it_says_how_it_is(service: Service, path: str, field: str, value: object) -> None:
    status, text = service.ask(path)
    assert (status, json.loads(text)[field]) == (200, value)


def test_it_counts_what_it_answers(service: Service, row: dict[str, Any]) -> None:
    assert service.ask("/predict", row)[0] == 200
    status, text = service.ask("/metrics")
    assert status == 200
    assert 'predictor_requests_total{code="200"' in text


def test_openapi_describes_this_models_row(service: Service) -> None:
    status, text = service.ask("/openapi.json")
    document = json.loads(text)
    assert status == 200
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] == "progression predictor"
    assert document["info"]["version"] == "abababababab"
    assert {"/predict", "/predict/batch", "/health", "/health/ready"} <= set(document["paths"])
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    asked = list(body["schema"]["properties"])
    assert [name for name in asked if name != "explain"] == COLUMNS  # which is a wish


def test_no_file_is_missing_and_the_bundle_is_the_one_that_was_generated() -> None:
    """Else what is deployed is told of wrongly by its manifest; the rest may be edited."""
    listed = json.loads((FOLDER / "deployment_manifest.json").read_bytes())["files"]
    assert {name for name in listed if not Path(FOLDER, name).is_file()} == set()
    bundle = [name for name in listed if name.startswith("bundle/")]
    assert bundle
    digests = {name: sha256(Path(FOLDER, name).read_bytes()).hexdigest() for name in bundle}
    assert {name for name in bundle if digests[name] != listed[name]} == set()
