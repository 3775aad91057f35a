from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import jsonschema
import pytest

from predictor.bundle import Manifest
from predictor.contract import Row


def test_one_flat_row_gets_one_answer(client: httpx.Client, row: Row, manifest: Manifest) -> None:
    answer = client.post("/predict", json=row)
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("predicted_usage_kwh") == pytest.approx(3.17, abs=0.01)
    assert UUID(body.pop("prediction_id")).version == 4
    made = datetime.fromisoformat(body.pop("prediction_timestamp"))
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
    assert body.pop("lower") < 3.17 < body.pop("upper")
    assert body == {
        "warnings": [],
        "interval_coverage": 0.9,
        "model_version": manifest.version,
        "model_type": manifest.type,
        "features_used": list(row),
    }


def test_a_list_of_rows_gets_an_answer_for_each(client: httpx.Client, manifest: Manifest) -> None:
    body = client.post("/predict/batch", json=manifest.golden.rows).json()
    predictions = [p["predicted_usage_kwh"] for p in body["predictions"]]
    assert predictions == manifest.golden.predictions
    assert [p["lower"] for p in body["predictions"]] == manifest.golden.lower
    assert [p["upper"] for p in body["predictions"]] == manifest.golden.upper
    assert len({p["prediction_id"] for p in body["predictions"]}) == len(predictions)
    assert body["model_version"] == manifest.version


def test_a_row_in_doubt_says_so(client: httpx.Client, row: Row) -> None:
    doubtful = row | {"lagging_power_factor": 0.7321}
    answers = client.post("/predict/batch", json=[row, doubtful]).json()["predictions"]
    assert [len(answer["warnings"]) for answer in answers] == [0, 1]
    assert answers[1]["warnings"] == client.post("/predict", json=doubtful).json()["warnings"]


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nsm": 86_400}, "row 0, column nsm: got 86400, expected a whole number from 0 to 86399"),
        ({"co2": None}, "row 0, column co2: got null, expected a number"),
        ({"date": "today"}, 'row 0: got column "date", expected only'),
    ],
)
def test_an_invalid_row_is_unprocessable(
    client: httpx.Client, row: Row, path: str, change: Row, message: str
) -> None:
    body = row | change
    answer = client.post(path, json=body if path == "/predict" else [body])
    assert answer.status_code == 422
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/health/", 404),
        ("GET", "/redoc", 404),
        ("PUT", "/predict", 405),
        ("POST", "/predict", 415),
    ],
)
def test_every_refusal_is_an_error_in_json(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path, headers={"content-type": "text/plain"})
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_health_tells_the_version(client: httpx.Client, manifest: Manifest) -> None:
    assert client.get("/health").json() == {
        "status": "healthy",
        "model_loaded": True,
        "model_version": manifest.version,
    }
    assert client.get("/health/ready").json() == {
        "ready": True,
        "model_version": manifest.version,
    }


def test_the_model_tells_where_it_came_from_and_since_when(
    client: httpx.Client, manifest: Manifest, bundle_folder: object
) -> None:
    [model] = client.get("/models").json()["models"]
    assert datetime.fromisoformat(model.pop("loaded_at")) < datetime.now(UTC)
    assert model == {
        "name": "energy",
        "model_version": manifest.version,
        "model_type": manifest.type,
        "source": str(bundle_folder),
        "origin": "external",
        "trained_at": manifest.created,
    }


def test_the_root_leads_to_the_documentation(client: httpx.Client) -> None:
    assert client.get("/").headers["location"] == "/docs"


def test_the_documented_row_is_the_contracts(client: httpx.Client, row: Row) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    described = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
    jsonschema.validate(row, described["schema"])
    jsonschema.validate(described["example"], described["schema"])
    for wrong in ({"nsm": -1}, {"load_type": "Heavy"}, {"day_of_week": "Someday"}, {"x": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(row | wrong, described["schema"])


def test_every_answer_is_as_documented(client: httpx.Client, row: Row) -> None:
    document = client.get("/openapi.json").json()
    for path, body in (("/predict", row), ("/predict/batch", [row])):
        found = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        schema = found["schema"] | {"components": document["components"]}
        jsonschema.validate(client.post(path, json=body).json(), schema)
