"""`:explain` and `explain` in `/predict`: what a prediction comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from predictor import bundle
from predictor.bundle import Manifest
from predictor.contract import Row
from predictor.training.pipeline import Trained
from tests.bundles import unexplained
from tests.protocol.process import running

EXPLAIN, PREDICT = "/v1/models/energy:explain", "/v1/models/energy:predict"


@contextmanager
def asking(folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """Yield a client of a server of its own."""
    with running(folder, **settings) as server, httpx.Client(base_url=server.url) as client:
        yield client


def total(explanation: dict[str, object]) -> float:
    physics, contributions = explanation["physics"], explanation["contributions"]
    assert isinstance(physics, dict)
    assert isinstance(contributions, dict)
    assert sum(physics["shares"].values()) == pytest.approx(physics["contribution"], abs=1e-6)
    parts = [explanation["base"], physics["contribution"], explanation["bounds"]]
    return float(sum([*parts, *contributions.values()]))


def test_each_row_is_explained_by_what_adds_up_to_its_prediction(
    client: httpx.Client, manifest: Manifest
) -> None:
    asked = {"instances": manifest.golden.rows}
    answer = client.post(EXPLAIN, json=asked)
    assert answer.status_code == 200
    predictions = client.post(PREDICT, json=asked).json()["predictions"]
    explanations = answer.json()["explanations"]
    assert answer.json()["model_version"] == manifest.version
    assert [each["prediction"] for each in explanations] == predictions
    assert [total(each) for each in explanations] == pytest.approx(predictions, abs=1e-6)
    for each in explanations:
        assert list(each["contributions"]) == list(manifest.contract.names)


def test_a_row_in_doubt_is_explained_with_its_warning(client: httpx.Client, row: Row) -> None:
    doubtful = row | {"lagging_power_factor": 0.7321}
    answer = client.post(EXPLAIN, json={"instances": [row, doubtful]}).json()
    warnings = client.post(PREDICT, json={"instances": [row, doubtful]}).json()["warnings"]
    assert answer["warnings"] == warnings


def test_what_is_wrong_with_a_row_is_said_as_for_a_prediction(
    client: httpx.Client, row: Row
) -> None:
    asked = {"instances": [row, row | {"nsm": -1}]}
    answers = [client.post(path, json=asked) for path in (EXPLAIN, PREDICT)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()


def test_a_flat_row_is_explained_if_it_asks_for_it(client: httpx.Client, row: Row) -> None:
    plain = client.post("/predict", json=row | {"explain": False}).json()
    assert "explanation" not in plain
    answer = client.post("/predict", json=row | {"explain": True})
    assert answer.status_code == 200
    explanation = answer.json()["explanation"]
    assert explanation["prediction"] == plain["predicted_usage_kwh"]
    assert total(explanation) == pytest.approx(plain["predicted_usage_kwh"], abs=1e-6)


@pytest.mark.parametrize("wish", [1, "true", None, [], 0])
def test_a_wish_that_is_no_boolean_is_refused(client: httpx.Client, row: Row, wish: object) -> None:
    answer = client.post("/predict", json=row | {"explain": wish})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("explain: got ")
    assert answer.json()["error"].endswith("expected true or false")


def test_the_api_that_people_read_says_what_may_be_asked_and_answered(
    client: httpx.Client,
) -> None:
    described = client.get("/openapi.json").json()
    asked = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert asked["schema"]["properties"]["explain"]["type"] == "boolean"
    assert "explain" not in asked["schema"]["required"]
    assert "explanation" in described["components"]["schemas"]["Predicted"]["properties"]


def test_only_so_many_rows_are_explained_at_once(bundle_folder: Path, row: Row) -> None:
    with (
        running(bundle_folder, MAX_EXPLAINED_ROWS="3") as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert client.post(EXPLAIN, json={"instances": [row] * 3}).status_code == 200
        answer = client.post(EXPLAIN, json={"instances": [row] * 4})
        assert answer.status_code == 400
        assert answer.json() == {"error": "got 4 rows, expected from 1 to 3"}
        assert client.post(PREDICT, json={"instances": [row] * 4}).status_code == 200


def test_it_can_be_switched_off(bundle_folder: Path, row: Row) -> None:
    with (
        running(bundle_folder, EXPLAIN="false") as server,
        httpx.Client(base_url=server.url) as client,
    ):
        answers = [
            client.post(EXPLAIN, json={"instances": [row]}),
            client.post("/predict", json=row | {"explain": True}),
        ]
        for answer in answers:
            assert answer.status_code == 404
            assert "its setting EXPLAIN is false" in answer.json()["error"]
        assert client.post("/predict", json=row | {"explain": False}).status_code == 200
        assert '"explain"' not in client.get("/openapi.json").text


def test_a_bundle_of_before_predicts_and_explains_nothing(
    trained: Trained, tmp_path: Path, row: Row
) -> None:
    older = unexplained(trained)
    bundle.write(tmp_path / "bundle", older.manifest, older.files)
    with asking(tmp_path / "bundle") as client:
        answer = client.post(EXPLAIN, json={"instances": [row]})
        assert answer.status_code == 404
        assert answer.json() == {"error": "the model was written without explanations"}
        assert client.post(PREDICT, json={"instances": [row]}).status_code == 200


def counted(client: httpx.Client, name: str) -> float:
    """Return a metric by its name and labels."""
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def test_explanations_are_timed_and_are_no_readings_of_the_plant(
    client: httpx.Client, row: Row
) -> None:
    timed = 'request_explain_seconds_count{model_name="energy"}'
    rows = 'predictor_rows_total{model_name="energy"}'
    before = counted(client, timed), counted(client, rows)
    assert client.post(EXPLAIN, json={"instances": [row]}).status_code == 200
    assert client.post("/predict", json=row | {"explain": True}).status_code == 200
    assert (counted(client, timed), counted(client, rows)) == (before[0] + 2, before[1])


def test_a_wish_that_is_wrong_is_counted_as_wrong_input(client: httpx.Client, row: Row) -> None:
    name = 'predictor_input_errors_total{column="other",model_name="energy"}'
    before = counted(client, name)
    assert client.post("/predict", json=row | {"explain": "yes"}).status_code == 422
    assert counted(client, name) == before + 1


def test_predictions_do_not_wait_for_explanations(bundle_folder: Path, row: Row) -> None:
    """While a client has rows explained without a pause, another gets its predictions."""
    stop = False
    explained = []

    def explain(url: str) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not stop:
                answer = client.post(EXPLAIN, json={"instances": [row] * 1000})
                explained.append(answer.status_code)

    with running(bundle_folder) as server, httpx.Client(base_url=server.url) as client:
        explaining = Thread(target=explain, args=[server.url])
        explaining.start()
        predicted = 0
        try:
            while len(explained) < 3:
                assert client.post(PREDICT, json={"instances": [row]}).status_code == 200
                predicted += 1
        finally:
            stop = True
            explaining.join()
    assert set(explained) == {200}
    # A prediction takes a millisecond or two, the explanations tens of them at the least.
    assert predicted > 2 * len(explained)
