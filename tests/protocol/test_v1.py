import httpx
import pytest

from predictor.bundle import Manifest
from predictor.contract import Row

PREDICT = "/v1/models/energy:predict"


def test_the_models_are_listed(client: httpx.Client) -> None:
    assert client.get("/v1/models").json() == {"models": ["energy"]}


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/health", "/docs"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)
    assert answer.status_code == 200
    assert not answer.content


def test_the_model_is_ready(client: httpx.Client) -> None:
    assert client.get("/v1/models/energy").json() == {"name": "energy", "ready": True}


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_golden_rows_get_their_predictions(
    client: httpx.Client, manifest: Manifest, key: str
) -> None:
    answer = client.post(PREDICT, json={key: manifest.golden.rows})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    golden = manifest.golden
    assert answer.json() == {
        "predictions": golden.predictions,
        "lower": golden.lower,
        "upper": golden.upper,
        "model_version": manifest.version,
    }


IMPOSSIBLE = {"leading_reactive_power": 9.0, "leading_power_factor": 30.0}
PERFECT = {
    "lagging_reactive_power": 0.0,
    "lagging_power_factor": 100.0,
    "leading_power_factor": 100.0,
}


def test_a_row_in_doubt_is_answered_with_its_warnings(client: httpx.Client, row: Row) -> None:
    fraction = {"lagging_power_factor": 0.7321}
    rows = [row, row | IMPOSSIBLE, row, row | fraction, row | PERFECT]
    answer = client.post(PREDICT, json={"instances": rows})
    assert answer.status_code == 200
    body = answer.json()
    assert len(body["predictions"]) == len(body["lower"]) == len(body["upper"]) == 5
    assert [(w["row"], w["warning"]) for w in body["warnings"]] == [
        (1, "inconsistent_power_factors"),
        (3, "fractional_power_factor"),
        (4, "unbounded_energy"),
    ]
    assert "in percent, 85 and not 0.85" in body["warnings"][1]["message"]


def test_a_row_that_nothing_bounds_gets_what_is_usual_for_its_load(
    client: httpx.Client, row: Row
) -> None:
    loads = [row | PERFECT | {"load_type": load} for load in ("Light", "Medium", "Maximum")]
    body = client.post(PREDICT, json={"instances": loads}).json()
    light, medium, maximum = body["predictions"]
    assert light < medium < maximum
    for low, value, high in zip(body["lower"], body["predictions"], body["upper"], strict=True):
        assert low < value < high


def test_warnings_are_counted(client: httpx.Client, row: Row) -> None:
    sample = 'predictor_warnings_total{model_name="energy",warning="inconsistent_power_factors"}'

    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(sample))

    before = count()
    client.post(PREDICT, json={"instances": [row, row | IMPOSSIBLE, row | IMPOSSIBLE]})
    assert count() == before + 2


def test_a_row_may_be_an_array_in_the_contracts_order(client: httpx.Client, row: Row) -> None:
    rows = {"instances": [list(row.values()), row]}
    by_position, by_name = client.post(PREDICT, json=rows).json()["predictions"]
    assert by_position == by_name
    assert by_name == pytest.approx(3.17, abs=0.01)


def test_keys_beside_the_rows_are_allowed(client: httpx.Client, row: Row) -> None:
    body = {"signature_name": "serving_default", "instances": [row]}
    assert client.post(PREDICT, json=body).status_code == 200


def test_a_content_type_may_have_parameters_or_be_left_out(client: httpx.Client, row: Row) -> None:
    content = httpx.Request("POST", "http://x", json={"instances": [row]}).content
    for headers in ({"content-type": "Application/JSON; charset=utf-8"}, {}):
        assert client.post(PREDICT, content=content, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'"\xff"', "the body is not JSON"),
        (b'"\\ud800"', "the body is not JSON"),
        (b"[" * 50_000, "the body is not JSON"),
        (b"9" * 5_000, "the body is not JSON"),
        (b'{"instances": [[NaN]]}', "the body is not JSON"),
        (b'{"instances": [[1e400]]}', "the body is not JSON"),
        (b"[]", 'expected an object with "instances"'),
        (b"{}", 'expected an object with "instances"'),
        (b'{"instances": [], "inputs": []}', 'got "instances" and "inputs", expected one of them'),
        (b'{"instances": null}', "got null, expected a list of rows"),
        (b'{"instances": []}', "got 0 rows, expected from 1 to 100"),
        (b'{"instances": [[1]]}', "row 0: got 1 values, expected 8"),
    ],
)
def test_a_body_that_holds_no_rows_is_a_bad_request(
    client: httpx.Client, content: bytes, message: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post(PREDICT, content=content, headers=headers)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(message)


def test_no_depth_of_nesting_is_worse_than_a_bad_request(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    for depth in range(900, 1020):
        nested = b"[" * depth + b"]" * depth
        content = b'{"instances": [[%b, 1, 1, 1, 1, 1, 1, 1]]}' % nested
        assert client.post(PREDICT, content=content, headers=headers).status_code == 400


def test_a_bad_value_is_named_with_row_field_value_and_expectation(
    client: httpx.Client, row: Row
) -> None:
    answer = client.post(PREDICT, json={"instances": [row, row | {"load_type": "Heavy"}]})
    assert answer.status_code == 400
    expected = 'row 1, column load_type: got "Heavy", expected one of Light, Medium, Maximum'
    assert answer.json() == {"error": expected}


def test_more_rows_than_allowed_are_refused(client: httpx.Client, row: Row) -> None:
    answer = client.post(PREDICT, json={"instances": [list(row.values())] * 101})
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "got 101 rows, expected from 1 to 100"},
    )


def test_a_body_over_the_limit_is_refused_whole_and_in_chunks(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    for content in (b" " * 100_001, (b" " * 10_000 for _ in range(11))):
        answer = client.post(PREDICT, content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json() == {"error": "the body is over 100000 bytes"}


def test_a_body_that_says_it_is_no_json_is_refused(client: httpx.Client) -> None:
    answer = client.post(PREDICT, data={"instances": "[]"})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/v1/models/other", "/v1/models/other:predict", "/v1", "/v2/x"])
def test_what_is_not_served_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", PREDICT), ("POST", "/v1/models")])
def test_another_method_is_told_which_one_to_use(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)
    allowed = {"GET": "POST", "POST": "GET"}[method]
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json() == {"error": f"use {allowed} here"}
