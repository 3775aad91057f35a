"""What is served of models that are no stack of boosters: classes, missing values, no interval."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import jsonschema
import msgspec
import numpy as np
import pytest

from predictor import bundle, captured, cli
from predictor.serving.grpc import inference_pb2 as pb
from predictor.training.pipeline import Trained
from tests import kinds
from tests.kinds import CHURN, ROWS
from tests.protocol.process import Server, running

V1, V2 = "/v1/models/churn:predict", "/v2/models/churn/infer"
LENGTH = "Inference-Header-Content-Length"


def written(trained: Trained, folder: Path) -> Path:
    bundle.write(folder, trained.manifest, trained.files)
    return folder


@pytest.fixture(scope="module")
def trained() -> Trained:
    return kinds.churn()


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(trained, tmp_path_factory.mktemp("kinds") / "churn")


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


@pytest.fixture(scope="module")
def churn(folder: Path, captures: Path) -> Iterator[Server]:
    with running(folder, CAPTURE_FOLDER=str(captures), CAPTURE_RATIO="1") as server:
        yield server


@pytest.fixture(scope="module")
def client(churn: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=churn.url) as client:
        yield client


@pytest.fixture(scope="module")
def expected(client: httpx.Client, trained: Trained) -> dict[str, Any]:
    """Return what V1 answers to the golden rows, which the bundle's own answers vouch for."""
    found: dict[str, Any] = client.post(V1, json={"instances": ROWS}).json()
    golden = trained.manifest.golden
    places = [CHURN.target.classes.index(name) for name in found["predictions"]]
    assert places == golden.predictions
    likely = [row[place] for place, row in zip(places, found["probabilities"], strict=True)]
    assert likely == golden.probabilities
    assert set(places) == {0, 1}
    return found


def test_v1_names_the_classes_and_gives_their_probabilities(
    expected: dict[str, Any], trained: Trained
) -> None:
    assert expected.keys() == {"predictions", "probabilities", "model_version"}
    assert expected["model_version"] == trained.manifest.version
    assert all(sum(row) == pytest.approx(1, abs=1e-15) for row in expected["probabilities"])


@pytest.mark.parametrize("large", [False, True])
def test_what_is_missing_may_be_null_or_not_there(
    client: httpx.Client, expected: dict[str, Any], *, large: bool
) -> None:
    lacking = [{k: v for k, v in row.items() if v is not None} for row in ROWS]
    arrays = [list(row.values()) for row in ROWS]
    for rows in (lacking, arrays, [*lacking[:2], *arrays[2:]]):
        times = 2000 if large else 1
        found = client.post(V1, json={"instances": rows * times}).json()
        assert found["predictions"] == expected["predictions"] * times
        assert found["probabilities"] == expected["probabilities"] * times


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"age": None}, "row 0, column age: got null, expected a number from 0 to 120 (years)"),
        ({"visits": 3}, "row 0, column age: got nothing, expected a number from 0 to 120 (years)"),
        (
            {"age": 3, "visits": 3.5},
            "row 0, column visits: got 3.5, expected a whole number from 0 to 50 or null",
        ),
        (
            {"age": 3, "plan": ""},
            'row 0, column plan: got "", expected one of basic, plus, pro or null',
        ),
        ({"age": 3, "plans": 1}, 'row 0: got column "plans", expected only age, visits, plan'),
    ],
)
def test_a_wrong_row_is_refused_in_words(
    client: httpx.Client, row: dict[str, object], sentence: str
) -> None:
    assert client.post(V1, json={"instances": [row]}).json() == {"error": sentence}
    answer = client.post("/predict", json=row)
    assert (answer.status_code, answer.json()) == (422, {"error": sentence})


def test_the_plain_api_says_the_same(client: httpx.Client, expected: dict[str, Any]) -> None:
    one = client.post("/predict", json=ROWS[1]).json()
    assert one["predicted_churn"] == expected["predictions"][1]
    likely = dict(zip(CHURN.target.classes, expected["probabilities"][1], strict=True))
    assert one["probabilities"] == likely
    assert not {"lower", "upper", "interval_coverage"} & one.keys()
    many = client.post("/predict/batch", json=ROWS).json()
    assert [p["predicted_churn"] for p in many["predictions"]] == expected["predictions"]


def test_the_document_allows_what_is_answered_and_what_may_be_sent(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["age"]
    for row in ROWS:
        jsonschema.validate(row, body["schema"])
    answers = {"$ref": "#/components/schemas/Predicted", "components": document["components"]}
    answer = client.post("/predict", json=ROWS[0]).json()
    jsonschema.validate(answer, answers)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer | {"predicted_churn": "other"}, answers)


def texts(values: list[str]) -> bytes:
    return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)


def tensors() -> list[tuple[str, str, bytes]]:
    """Return the columns as V2's binary data: what is missing is NaN, or an empty text."""
    numbers = np.array(CHURN.encode_rows(ROWS), np.float64)
    plans = [str(row["plan"] or "") for row in ROWS]
    return [
        ("age", "FP64", numbers[:, 0].tobytes()),
        ("visits", "FP64", numbers[:, 1].tobytes()),
        ("plan", "BYTES", texts(plans)),
    ]


def test_v2_takes_what_is_missing_and_gives_classes_as_bytes(
    client: httpx.Client, expected: dict[str, Any]
) -> None:
    sent = tensors()
    inputs = [
        {"name": n, "datatype": d, "shape": [5], "parameters": {"binary_data_size": len(b)}}
        for n, d, b in sent
    ]
    head = msgspec.json.encode({"inputs": inputs})
    body = head + b"".join(content for *_, content in sent)
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    answer = client.post(V2, content=body, headers=headers).json()
    target, likely = answer["outputs"]
    assert (target["name"], target["datatype"], target["shape"]) == ("churn", "BYTES", [5])
    assert target["data"] == expected["predictions"]
    assert (likely["name"], likely["shape"]) == ("probabilities", [5, 2])
    assert np.reshape(likely["data"], (5, 2)).tolist() == expected["probabilities"]


def test_v2_gives_classes_in_binary(client: httpx.Client, expected: dict[str, Any]) -> None:
    matrix = np.array(CHURN.encode_rows(ROWS), np.float64)
    parameters = {"binary_data_size": matrix.nbytes}
    tensor = {"name": "rows", "datatype": "FP64", "shape": [5, 3], "parameters": parameters}
    head = msgspec.json.encode({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    answer = client.post(V2, content=head + matrix.tobytes(), headers=headers)
    size = int(answer.headers[LENGTH])
    said, behind = (
        answer.json() if not size else msgspec.json.decode(answer.content[:size]),
        answer.content[size:],
    )
    content = texts(expected["predictions"])
    assert said["outputs"][0]["parameters"] == {"binary_data_size": len(content)}
    assert behind == content + np.array(expected["probabilities"]).tobytes()


def test_metadata_tell_of_the_classes(client: httpx.Client) -> None:
    assert client.get("/v2/models/churn").json()["outputs"] == [
        {"name": "churn", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]


@pytest.mark.parametrize("is_raw", [False, True])
def test_grpc_says_the_same(churn: Server, expected: dict[str, Any], *, is_raw: bool) -> None:
    matrix = np.array(CHURN.encode_rows(ROWS), np.float64)
    request = pb.ModelInferRequest(model_name="churn")
    tensor = request.inputs.add(name="rows", datatype="FP64", shape=[5, 3])
    if is_raw:
        request.raw_input_contents.append(matrix.tobytes())
    else:
        tensor.contents.fp64_contents.extend(matrix.ravel().tolist())
    with grpc.insecure_channel(churn.grpc) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        answer = call(request)
    names, likely = (output.contents for output in answer.outputs)
    if is_raw:
        assert answer.raw_output_contents[0] == texts(expected["predictions"])
    else:
        assert [n.decode() for n in names.bytes_contents] == expected["predictions"]
        found = np.reshape(likely.fp64_contents, (5, 2)).tolist()
        assert found == expected["probabilities"]


def test_a_text_that_is_no_label_is_not_taken_for_a_missing_one(client: httpx.Client) -> None:
    inputs = [
        {"name": "age", "datatype": "FP64", "shape": [1], "data": [3]},
        {"name": "visits", "datatype": "INT64", "shape": [1], "data": [3]},
        {"name": "plan", "datatype": "BYTES", "shape": [1], "data": ["gold"]},
    ]
    answer = client.post(V2, json={"inputs": inputs})
    assert answer.status_code == 400
    assert 'column plan: got "gold", expected one of basic, plus, pro' in answer.json()["error"]
    inputs[2]["data"] = [""]
    assert client.post(V2, json={"inputs": inputs}).status_code == 200


def test_classes_and_missing_values_are_counted(folder: Path) -> None:
    with running(folder) as server:
        httpx.post(f"{server.url}{V1}", json={"instances": ROWS}).raise_for_status()
        text = httpx.get(f"{server.url}/metrics").text

    def rows(column: str, bin_: str) -> int:
        line = f'predictor_drift_rows_total{{bin="{bin_}",column="{column}",model_name="churn"}} '
        return int(float(text.partition(line)[2].partition("\n")[0]))

    assert rows("plan", "missing") == rows("visits", "missing") == 1
    assert sum(rows("churn", name) for name in CHURN.target.classes) == len(ROWS)
    assert 'predictor_prediction_count{model_name="churn"}' not in text
    assert 'predictor_interval_width_count{model_name="churn"}' not in text


def test_what_was_captured_is_what_was_sent(
    client: httpx.Client,
    churn: Server,
    folder: Path,
    captures: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client.post(V1, json={"instances": ROWS}).raise_for_status()
    churn.process.terminate()
    churn.process.wait(30)
    lines = list(captured.read(captures))
    known = [list(row.values()) for row in ROWS]
    assert all(row in known or row[0] == 3 for line in lines for row in line.rows)
    assert {name for line in lines for name in line.predictions} == set(CHURN.target.classes)
    assert cli.main(["drift", str(folder), str(captures), "--json"]) in {0, 3}
    found = msgspec.json.decode(capsys.readouterr().out)
    labels = {column["name"]: column["labels"] for column in found["columns"]}
    assert labels["churn"] == list(CHURN.target.classes)
    assert labels["plan"] == ["basic", "plus", "pro", "missing"]


def test_its_bundle_is_verified_and_its_server_checked(folder: Path) -> None:
    assert cli.main(["verify", str(folder)]) == 0
    with running(folder) as server:
        options = ["--bundle", str(folder), server.url]
        assert cli.main(["check", *options]) == 0
        assert cli.main(["conformance", server.url, *options[:2]]) == 0


def test_a_number_without_an_interval_is_answered_without_one(tmp_path: Path) -> None:
    made = kinds.cost()
    folder = written(made, tmp_path / "cost")
    golden = made.manifest.golden
    assert cli.main(["verify", str(folder)]) == 0
    with running(folder) as server:
        asked = {"instances": golden.rows}
        found = httpx.post(f"{server.url}/v1/models/cost:predict", json=asked).json()
        assert found == {"predictions": golden.predictions, "model_version": made.manifest.version}
        plain = httpx.post(f"{server.url}/predict", json=golden.rows[1]).json()
        assert cli.main(["check", "--bundle", str(folder), server.url]) == 0
        text = httpx.get(f"{server.url}/metrics").text
    assert plain["predicted_cost"] == golden.predictions[1]
    assert not {"lower", "upper", "interval_coverage"} & plain.keys()
    assert 'predictor_prediction_count{model_name="cost"}' in text
    assert 'predictor_interval_width_count{model_name="cost"}' not in text
