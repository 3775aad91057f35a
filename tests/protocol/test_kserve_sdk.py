"""KServe's own SDK: its clients against our server, and our engine under its server."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from predictor.bundle import Manifest
from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from tests.keys import key_pair
from tests.protocol.process import START_SECONDS, Server
from tests.protocol.test_grpc import columns as typed
from tests.protocol.test_grpc import raw
from tests.protocol.test_v2 import columns

PREDICT = "/v1/models/energy:predict"
EXPLAIN = "/v1/models/energy:explain"
INFER = "/v2/models/energy/infer"
CLIENTS = Path(__file__).with_name("kserve_clients.py")
READY = {"v1 ready": True, "v2 ready": [True] * 3, "grpc ready": [True] * 3}
WAYS = ("v1", "v2", "v2 binary", "grpc raw", "grpc typed")


def asked_by_clients(url: str, grpc: str, manifest: Manifest) -> dict[str, Any]:
    """Return what KServe's clients get for the golden rows."""
    rows = manifest.golden.rows
    asked = {"rows": rows, "codes": manifest.contract.encode_rows(rows)}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", str(CLIENTS), url, grpc],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def sdk(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Yield the addresses of the SDK's own server with our engine in it."""
    http, grpc = free_port(), free_port()
    command = [sys.executable, "-m", "predictor.serving.kserve_model"]
    options = [f"--http_port={http}", f"--grpc_port={grpc}"]
    url = f"http://127.0.0.1:{http}"
    with (tmp_path_factory.mktemp("sdk") / "log").open("w+") as log:
        process = subprocess.Popen(
            [*command, *options],
            env=os.environ | {"BUNDLE": str(bundle_folder)},
            stdout=log,
            stderr=log,
        )
        with process:
            deadline = time.monotonic() + START_SECONDS
            while not is_up(f"{url}/v2/models/energy/ready"):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            try:
                yield url, f"127.0.0.1:{grpc}"
            finally:
                process.kill()  # its own drain takes longer than the tests


def is_up(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_kserves_clients_work_with_our_server(server: Server, manifest: Manifest) -> None:
    found = asked_by_clients(server.url, server.grpc, manifest)
    assert found == READY | dict.fromkeys(WAYS, manifest.golden.predictions)


def test_our_engine_works_under_the_sdks_server(sdk: tuple[str, str], manifest: Manifest) -> None:
    found = asked_by_clients(*sdk, manifest)
    assert found == READY | dict.fromkeys(WAYS, manifest.golden.predictions)


def test_the_sdks_server_tells_our_metadata_and_answers_as_ours(
    sdk: tuple[str, str], client: httpx.Client, row: Row
) -> None:
    asked, ours = httpx.get(f"{sdk[0]}/v2/models/energy"), client.get("/v2/models/energy")
    for side in ("inputs", "outputs"):
        assert asked.json()[side] == ours.json()[side]
    doubtful = {"instances": [row, row | {"lagging_power_factor": 0.7321}]}
    answer = httpx.post(sdk[0] + PREDICT, json=doubtful)
    assert answer.json() == client.post(PREDICT, json=doubtful).json()
    assert answer.json()["warnings"]
    wanted = {"inputs": columns(row), "outputs": [{"name": "upper"}], "id": "7"}
    answer = httpx.post(sdk[0] + INFER, json=wanted)
    assert [tensor["name"] for tensor in answer.json()["outputs"]] == ["upper"]


def test_the_sdks_server_explains_as_ours(
    sdk: tuple[str, str], server: Server, manifest: Manifest
) -> None:
    asked = {"instances": manifest.golden.rows}
    answers = [httpx.post(f"{url}{EXPLAIN}", json=asked) for url in (sdk[0], server.url)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("change", "value"), [("co2", -1), ("load_type", "Heavy"), ("nsm", 0.5), ("co2", None)]
)
def test_the_sdks_server_refuses_with_our_sentence(
    sdk: tuple[str, str], client: httpx.Client, row: Row, change: str, value: object
) -> None:
    body = {"instances": [{**row, change: value}]}
    answers = [httpx.post(sdk[0] + PREDICT, json=body), client.post(PREDICT, json=body)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("column", "change"),
    [("co2", {"data": [-1.0]}), ("co2", {"shape": [2]}), ("load_type", {"data": ["Heavy"]})],
)
def test_the_sdks_server_refuses_a_tensor_with_our_sentence(
    sdk: tuple[str, str], client: httpx.Client, row: Row, column: str, change: dict[str, Any]
) -> None:
    inputs = [tensor | change if tensor["name"] == column else tensor for tensor in columns(row)]
    answers = [httpx.post(url, json={"inputs": inputs}) for url in (sdk[0] + INFER,)]
    answers.append(client.post(INFER, json={"inputs": inputs}))
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()


def test_the_sdks_server_too_wants_the_signature_that_is_required(
    bundle_folder: Path, tmp_path: Path
) -> None:
    _, public = key_pair(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "predictor.serving.kserve_model"],
        env=os.environ | {"BUNDLE": str(bundle_folder), "REQUIRE_SIGNATURE": str(public)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "is not signed" in ended.stderr


@pytest.mark.parametrize("wrong", [b"\xff\0\0\0", b"\1", b""])
def test_the_sdks_server_refuses_raw_bytes_that_are_no_texts(
    sdk: tuple[str, str], row: Row, wrong: bytes
) -> None:
    tensors, contents = zip(*map(raw, typed(row)), strict=True)
    request = pb.ModelInferRequest(
        model_name="energy", inputs=tensors, raw_input_contents=[*contents[:7], wrong]
    )
    with grpc.insecure_channel(sdk[1]) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
        with pytest.raises(grpc.RpcError) as error:
            infer(request.SerializeToString(), timeout=10)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "input load_type: " in str(error.value.details())
