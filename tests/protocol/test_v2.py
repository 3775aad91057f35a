"""The Open Inference Protocol over REST, black box."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor import __version__
from predictor.bundle import Manifest
from predictor.contract import Row
from predictor.training.columns import CONTRACT
from tests.protocol.process import running

MODEL = "/v2/models/energy"
INFER = f"{MODEL}/infer"
Tensor = dict[str, Any]


def columns(*rows: Row) -> list[Tensor]:
    """Return rows as a tensor for each column."""
    return [
        {
            "name": column.name,
            "shape": [len(rows)],
            "datatype": "BYTES" if type(rows[0][column.name]) is str else column.datatype,
            "data": [row[column.name] for row in rows],
        }
        for column in CONTRACT.columns
    ]


def matrix(*rows: Row) -> Tensor:
    """Return rows as one tensor, labels as their codes."""
    data = [code for row in CONTRACT.encode_rows(list(rows)) for code in row]
    return {"name": "rows", "shape": [len(rows), 8], "datatype": "FP64", "data": data}


def infer(client: httpx.Client, inputs: object, **rest: object) -> httpx.Response:
    return client.post(INFER, json={"inputs": inputs, **rest})


def refusal(client: httpx.Client, inputs: object, **rest: object) -> str:
    answer = infer(client, inputs, **rest)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


def test_the_server_tells_what_it_is(client: httpx.Client) -> None:
    assert client.get("/v2").json() == {
        "name": "energy-predictor",
        "version": __version__,
        "extensions": ["binary_tensor_data"],
    }


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/{{version}}"])
def test_metadata_are_the_contract(client: httpx.Client, manifest: Manifest, path: str) -> None:
    path = path.format(version=manifest.version)
    found = client.get(path).json()
    assert found["name"] == "energy"
    assert found["versions"] == [manifest.version]
    assert [tensor["name"] for tensor in found["inputs"]] == list(CONTRACT.names)
    assert {"name": "nsm", "datatype": "INT64", "shape": [-1]} in found["inputs"]
    assert found["outputs"] == [
        {"name": "usage_kwh", "datatype": "FP64", "shape": [-1]},
        {"name": "lower", "datatype": "FP64", "shape": [-1]},
        {"name": "upper", "datatype": "FP64", "shape": [-1]},
        {"name": "warnings", "datatype": "BOOL", "shape": [-1, 3]},
    ]
    assert client.get(f"{path}/ready").json() == {"name": "energy", "ready": True}


def test_golden_rows_get_their_answers_as_columns_and_as_a_matrix(
    client: httpx.Client, manifest: Manifest
) -> None:
    golden = manifest.golden
    for inputs in (columns(*golden.rows), [matrix(*golden.rows)]):
        answer = infer(client, inputs)
        assert answer.status_code == 200
        body = answer.json()
        assert (body["model_name"], body["model_version"]) == ("energy", manifest.version)
        assert "id" not in body
        found = {tensor["name"]: tensor for tensor in body["outputs"]}
        count = len(golden.rows)
        for name, values in {
            "usage_kwh": golden.predictions,
            "lower": golden.lower,
            "upper": golden.upper,
        }.items():
            tensor = {"name": name, "datatype": "FP64", "shape": [count], "data": values}
            assert found[name] == tensor
        assert found["warnings"]["shape"] == [count, 3]
        assert found["warnings"]["data"] == [False] * count * 3


def test_v1_and_v2_give_the_same_numbers(client: httpx.Client, manifest: Manifest) -> None:
    rows = manifest.golden.rows[:5]
    v1 = client.post("/v1/models/energy:predict", json={"instances": rows}).json()
    v2 = infer(client, columns(*rows)).json()
    assert v2["outputs"][0]["data"] == v1["predictions"]


def test_a_version_may_be_named_if_it_is_the_one_that_is_served(
    client: httpx.Client, manifest: Manifest, row: Row
) -> None:
    body = {"inputs": columns(row)}
    served = client.post(f"{MODEL}/versions/{manifest.version}/infer", json=body)
    assert served.status_code == 200
    other = client.post(f"{MODEL}/versions/1/infer", json=body)
    assert other.status_code == 404
    assert list(other.json()) == ["error"]


def test_the_clients_id_comes_back(client: httpx.Client, row: Row) -> None:
    assert infer(client, columns(row), id="17").json()["id"] == "17"


def test_only_the_outputs_that_are_asked_for_come_back(client: httpx.Client, row: Row) -> None:
    outputs = [{"name": "upper"}, {"name": "usage_kwh"}]
    body = infer(client, columns(row), outputs=outputs).json()
    assert [tensor["name"] for tensor in body["outputs"]] == ["upper", "usage_kwh"]
    message = refusal(client, columns(row), outputs=[{"name": "price"}])
    assert message == 'got output "price", expected one of usage_kwh, lower, upper, warnings'


def test_a_row_in_doubt_has_its_flags(client: httpx.Client, row: Row) -> None:
    body = infer(client, columns(row, row | {"lagging_power_factor": 0.7321})).json()
    assert body["outputs"][3]["data"] == [False, False, False, False, True, False]


def test_data_may_be_nested(client: httpx.Client, row: Row) -> None:
    expected = infer(client, columns(row, row)).json()
    nested = [
        tensor | {"shape": [2, 1], "data": [[value] for value in tensor["data"]]}
        for tensor in columns(row, row)
    ]
    assert infer(client, nested).json() == expected
    flat = matrix(row, row)
    values = list(flat["data"])
    assert infer(client, [flat | {"data": [values[:8], values[8:]]}]).json() == expected


def test_numbers_may_come_in_any_datatype_that_holds_them(client: httpx.Client, row: Row) -> None:
    expected = infer(client, columns(row)).json()
    inputs = [
        tensor | {"datatype": {"co2": "INT8", "nsm": "UINT16"}.get(str(tensor["name"]), "FP32")}
        if tensor["name"] in {"co2", "nsm", "lagging_power_factor"}
        else tensor
        for tensor in columns(row)
    ]
    assert infer(client, inputs).json() == expected


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("co2", {"datatype": "BYTES"}, 'input co2: got datatype "BYTES", expected FP16, FP32'),
        ("co2", {"datatype": "BOOL"}, 'input co2: got datatype "BOOL"'),
        ("nsm", {"datatype": "FP64"}, 'input nsm: got datatype "FP64", expected BYTES, INT16'),
        ("load_type", {"datatype": "INT64"}, 'input load_type: got datatype "INT64", expected BY'),
        ("co2", {"shape": [1, 2]}, "input co2: got shape [1, 2], expected [n] or [n, 1]"),
        ("co2", {"shape": []}, "input co2: got shape [], expected [n] or [n, 1]"),
        ("co2", {"shape": [2]}, "input co2: got 1 elements, expected shape [2]"),
        ("co2", {"shape": [-1]}, "input co2: got 1 elements, expected shape [-1]"),
        ("co2", {"data": [[1]]}, "input co2: data are not nested as shape [1] says"),
        ("co2", {"data": [True]}, "input co2, element 0: got true, expected FP64"),
        ("co2", {"data": [None]}, "input co2, element 0: got null, expected FP64"),
        ("co2", {"data": ["1"]}, 'input co2, element 0: got "1", expected FP64'),
        ("co2", {"datatype": "INT8", "data": [128]}, "input co2, element 0: got 128, expected IN"),
        ("co2", {"data": [-1]}, "row 0, column co2: got -1, expected a number from 0"),
        ("nsm", {"data": [2**70]}, "input nsm, element 0: got "),
        ("load_type", {"data": ["Heavy"]}, 'row 0, column load_type: got "Heavy", expected one'),
        ("co2", {"name": "CO2"}, 'got input "CO2", expected only lagging_reactive_power'),
        ("co2", {"name": "nsm"}, "two inputs have the same name"),
        ("co2", {"shape": [2], "data": [0, 0]}, "got inputs of 1 and of 2 rows"),
    ],
)
def test_a_wrong_tensor_is_named_with_what_was_expected(
    client: httpx.Client, row: Row, column: str, change: Tensor, message: str
) -> None:
    inputs = [t | change if t["name"] == column else t for t in columns(row)]
    assert refusal(client, inputs).startswith(message)


def test_a_missing_column_is_named(client: httpx.Client, row: Row) -> None:
    inputs = [tensor for tensor in columns(row) if tensor["name"] != "co2"]
    assert refusal(client, inputs).startswith("input co2: got nothing, expected a number")
    assert refusal(client, []).startswith("input lagging_reactive_power: got nothing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [2, 4]}, "input rows: got shape [2, 4], expected [n, 8]: lagging_reactive"),
        ({"datatype": "BYTES"}, 'input rows: got datatype "BYTES", expected FP16'),
        ({"data": [0] * 7 + [3]}, "row 0, column load_type: got 3, expected one of 0 (Light), 1"),
        ({"data": [0] * 7 + [0.5]}, "row 0, column load_type: got 0.5, expected one of 0"),
        ({"data": [[0] * 7, [0]]}, "input rows: data are not nested as shape [1, 8] says"),
        ({"data": [0] * 5 + [0.5, 0, 0]}, "row 0, column nsm: got 0.5, expected a whole number"),
        ({"shape": [0, 8], "data": []}, "got 0 rows, expected from 1 to 100"),
        ({"shape": [101, 8], "data": [0] * 808}, "got 101 rows, expected from 1 to 100"),
    ],
)
def test_a_wrong_matrix_is_refused(
    client: httpx.Client, row: Row, change: Tensor, message: str
) -> None:
    assert refusal(client, [matrix(row) | change]).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not JSON that can be read"),
        (b"{", "the body is not JSON that can be read"),
        (b"[]", "the body is not an inference request: Expected `object`, got `array`"),
        (b"{}", "the body is not an inference request: Object missing required field `inputs`"),
        (b'{"inputs": [{"name": 1}]}', "the body is not an inference request: Expected `str`"),
        (b'{"inputs": [{"name": "%s"}]}' % (b"x" * 201), "the body is not an inference request"),
        (b'{"inputs": [{"shape": [%s]}]}' % (b"9" * 4000), "the body is not an inference request"),
        (b'{"inputs": [{"shape": [1,1,1,1,1,1,1,1,1]}]}', "the body is not an inference request"),
        (b'{"inputs": [], "id": 7}', "the body is not an inference request: Expected `str | null`"),
        (b'{"inputs": [[[[' + b"[" * 50_000, "the body is not"),
    ],
)
def test_a_body_that_is_no_request_is_a_bad_request(
    client: httpx.Client, content: bytes, message: str
) -> None:
    answer = client.post(INFER, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(CONTRACT.names) | st.text(),
        "shape": st.lists(st.integers(-(2**70), 2**70) | st.integers(0, 9), max_size=3),
        "datatype": st.sampled_from(["FP64", "FP32", "INT64", "UINT8", "BYTES", "BOOL"]),
        "data": st.lists(json_values, max_size=9),
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(tensors | json_values, max_size=9))
def test_nothing_that_a_client_sends_is_the_servers_fault(
    client: httpx.Client, inputs: list[object]
) -> None:
    try:
        answer = infer(client, inputs)
    except ValueError:  # what JSON cannot hold is not sent
        return
    assert answer.status_code in {200, 400}
    assert answer.status_code == 200 or list(answer.json()) == ["error"]


NUMPY = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT32": "<i4", "BOOL": "|b1"}


def packed(tensor: Tensor) -> tuple[Tensor, bytes]:
    """Return a tensor without its data, and its data as bytes."""
    data = tensor["data"]
    if tensor["datatype"] == "BYTES":
        blob = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in data)
    else:
        blob = np.array(data, NUMPY[tensor["datatype"]]).tobytes()
    bare = {key: value for key, value in tensor.items() if key != "data"}
    return bare | {"parameters": {"binary_data_size": len(blob)}}, blob


def post(client: httpx.Client, request: object, behind: bytes, **headers: str) -> httpx.Response:
    content = json.dumps(request).encode()
    given = {"inference-header-content-length": str(len(content))}
    given |= {"content-type": "application/octet-stream"}
    replaced = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(INFER, content=content + behind, headers=given | replaced)


def unpacked(answer: httpx.Response) -> dict[str, list[object]]:
    """Return the outputs of an answer whose data are behind its JSON."""
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    behind, found = answer.content[length:], {}
    for output in json.loads(answer.content[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        assert "data" not in output
        array = np.frombuffer(behind[:size], NUMPY[output["datatype"]])
        found[output["name"]] = array.reshape(output["shape"]).tolist()
        behind = behind[size:]
    assert behind == b""
    return found


def test_golden_rows_get_their_answers_as_bytes_in_both_directions(
    client: httpx.Client, manifest: Manifest
) -> None:
    golden = manifest.golden
    for inputs in (columns(*golden.rows), [matrix(*golden.rows)]):
        tensors, blobs = zip(*map(packed, inputs), strict=True)
        request = {"inputs": tensors, "parameters": {"binary_data_output": True}}
        answer = post(client, request, b"".join(blobs))
        assert answer.status_code == 200
        assert unpacked(answer) == {
            "usage_kwh": golden.predictions,
            "lower": golden.lower,
            "upper": golden.upper,
            "warnings": [[False] * 3] * len(golden.rows),
        }


def test_each_output_may_be_asked_for_as_bytes_or_as_json(client: httpx.Client, row: Row) -> None:
    expected = infer(client, columns(row)).json()["outputs"]
    asked: list[Tensor] = [
        {"name": "lower", "parameters": {"binary_data": True}},
        {"name": "upper"},
    ]
    answer = infer(client, columns(row), outputs=asked)
    length = int(answer.headers["inference-header-content-length"])
    lower, upper = json.loads(answer.content[:length])["outputs"]
    assert lower["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(answer.content[length:], "<f8").tolist() == expected[1]["data"]
    assert upper == expected[2]
    asked[0]["parameters"] = {"binary_data": False}
    plain = infer(client, columns(row), outputs=asked, parameters={"binary_data_output": True})
    assert plain.headers["content-type"] == "application/octet-stream"


def test_some_inputs_may_be_bytes_and_others_json(client: httpx.Client, row: Row) -> None:
    expected = infer(client, columns(row)).json()
    first, *others = columns(row)
    bare, blob = packed(first)
    assert post(client, {"inputs": [*others, bare]}, blob).json() == expected


@pytest.mark.parametrize(
    ("change", "behind", "message"),
    [
        ({"parameters": {"binary_data_size": 9}}, b"", "input co2: got 8 bytes behind the JSON"),
        ({}, b"x", "got 1 bytes behind the JSON that are no input's"),
        ({"data": [0]}, b"", "input co2: expected either data or the size of binary data"),
        ({"parameters": {}}, b"", "input co2: expected either data or the size of binary data"),
        ({"parameters": {"binary_data_size": -1}}, b"", "the body is not an inference request"),
        ({"datatype": "INT32", "shape": [1]}, b"", "input co2: got 2 elements, expected shape"),
        ({"datatype": "FP80"}, b"", 'input co2: got datatype "FP80"'),
        ({"datatype": "BYTES"}, b"", 'input co2: got datatype "BYTES"'),
    ],
)
def test_wrong_bytes_are_named_with_their_input(
    client: httpx.Client, row: Row, change: Tensor, behind: bytes, message: str
) -> None:
    tensors = columns(row)
    bare, blob = packed(tensors[2])
    tensors[2] = bare | change
    answer = post(client, {"inputs": tensors}, blob + behind)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"\x05\0\0\0Light\x01\0", "input load_type, element 1: its length is over"),
        (b"\xff\xff\xff\xffLight", "input load_type, element 0: its length is over"),
        (b"\x01\0\0\0\xff", "input load_type, element 0: got bytes that are not UTF-8"),
        (b"\0\0\0\0", 'row 0, column load_type: got "", expected one of Light'),
        (b"", "input load_type: got 0 elements, expected shape [1]"),
    ],
)
def test_wrong_texts_are_named_with_their_element(
    client: httpx.Client, row: Row, blob: bytes, message: str
) -> None:
    tensors = columns(row)
    parameters = {"binary_data_size": len(blob)}
    tensors[7] = {key: v for key, v in tensors[7].items() if key != "data"}
    tensors[7] |= {"parameters": parameters}
    answer = post(client, {"inputs": tensors}, blob)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_as_such(
    client: httpx.Client, row: Row, number: float
) -> None:
    tensors = columns(row)
    tensors[2], blob = packed(tensors[2] | {"data": [number]})
    answer = post(client, {"inputs": tensors}, blob)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"row 0, column co2: got {number}, expected a number")


@pytest.mark.parametrize("length", ["-1", "1e3", "99999", "9" * 5000, "x", "²"])
def test_a_wrong_length_of_the_json_is_refused(client: httpx.Client, row: Row, length: str) -> None:
    headers = [(b"inference-header-content-length", length.encode("latin-1"))]
    body = json.dumps({"inputs": columns(row)}).encode()
    answer = client.post(INFER, content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": f"header Inference-Header-Content-Length: expected a length up to {len(body)}"
    }


def test_bytes_without_the_header_are_no_json(client: httpx.Client) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = client.post(INFER, content=b"\0" * 64, headers=headers)
    assert answer.status_code == 400
    other = client.post("/v1/models/energy:predict", content=b"\0", headers=headers)
    assert other.status_code == 415


@pytest.mark.parametrize("texts", [6_000, 20_000])
def test_a_long_list_of_strings_with_commas_is_refused_in_words(
    bundle_folder: Path, row: Row, texts: int
) -> None:
    tensors = columns(row)
    tensors[7] |= {"data": ["a,a,a,a,a,a"] * texts}
    with running(bundle_folder) as server, httpx.Client(base_url=server.url) as client:
        message = refusal(client, tensors)
    assert message == f"input load_type: got {texts} elements, expected shape [1]"
