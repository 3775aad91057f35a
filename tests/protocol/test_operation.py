"""What operators rely on: probes, metrics, starting and stopping."""

import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from predictor import bundle, cli, signature
from predictor.contract import Row
from predictor.training.pipeline import Trained
from tests.keys import key_pair
from tests.protocol.process import PREDICTOR, START_SECONDS, events, running
from tests.protocol.raw import Connection
from tests.protocol.security.asking import until
from tests.protocol.test_express import JSON, post, v1

PREDICT = "/v1/models/energy:predict"
SERVICE = "/inference.GRPCInferenceService"


def samples(client: httpx.Client) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample by its name and its labels' values, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_a_server_that_answers_is_alive_and_ready(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_requests_and_rows_are_counted_as_they_were_sent(client: httpx.Client, row: Row) -> None:
    before = samples(client)
    for _ in range(3):
        client.post(PREDICT, json={"instances": [row, row]})
    client.post(PREDICT, json={"instances": []})
    client.post("/predict", json=row)
    client.get("/made/up/by/a/client")
    after = samples(client)

    def grew(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert grew("predictor_requests_total", "200", "POST", "http", PREDICT) == 3
    assert grew("predictor_requests_total", "400", "POST", "http", PREDICT) == 1
    assert grew("predictor_requests_total", "200", "POST", "http", "/predict") == 1
    assert grew("predictor_requests_total", "404", "GET", "http", "other") == 1
    assert grew("predictor_rows_total", "energy") == 7
    for step, count in (("preprocess", 4 + 1), ("predict", 4), ("postprocess", 4)):
        assert grew(f"request_{step}_seconds_count", "energy") == count
    assert not any("made" in label for _, labels in after for label in labels)


def test_requests_in_flight_are_counted_until_they_are_answered(
    client: httpx.Client, row: Row
) -> None:
    in_flight = "predictor_requests_in_flight", ("http",)
    request = post(PREDICT.encode(), v1(row), JSON)
    with Connection(str(client.base_url)) as connection:
        connection.send(request[:-1])
        until(lambda: samples(client)[in_flight] == 1)
        connection.send(request[-1:])
        assert connection.answer().status == 200
        until(lambda: samples(client)[in_flight] == 0)


def test_the_served_version_is_a_metric(client: httpx.Client, bundle_folder: Path) -> None:
    version = bundle.read(bundle_folder).manifest.version
    assert samples(client)["predictor_model_info", ("energy", "external", version)] == 1


def test_a_required_signature_is_looked_for(trained: Trained, tmp_path: Path) -> None:
    key, public = key_pair(tmp_path)
    bundle.write(tmp_path / "signed", trained.manifest, trained.files, signature.signer(key))
    with running(tmp_path / "signed", REQUIRE_SIGNATURE=str(public)) as server:
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
    bundle.write(tmp_path / "plain", trained.manifest, trained.files)
    options = ["--bundle", str(tmp_path / "plain"), "--require-signature", str(public)]
    command = [*PREDICTOR, "serve", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert "is not signed" in ended.stderr


def test_check_compares_a_server_with_a_bundle(
    client: httpx.Client, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", f"{client.base_url}/", "--bundle", str(bundle_folder)]) == 0
    assert "predicts all 32 golden rows" in capsys.readouterr().out


def test_check_without_a_bundle_names_the_version_that_is_served(
    client: httpx.Client, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", str(client.base_url), "--no-bundle"]) == 0
    version = bundle.read(bundle_folder).manifest.version
    assert capsys.readouterr().out.endswith(f"is ready and serves version {version}\n")


@pytest.mark.parametrize("end", ["predictions", "lower", "upper"])
def test_check_fails_when_a_server_predicts_something_else(
    client: httpx.Client,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end: str,
) -> None:
    golden = trained.manifest.golden
    moved = {end: [value + 1 for value in getattr(golden, end)]}
    golden = msgspec.structs.replace(golden, **moved)
    manifest = msgspec.structs.replace(trained.manifest, golden=golden)
    bundle.write(tmp_path / "b", manifest, trained.files)
    assert cli.main(["check", str(client.base_url), "--bundle", str(tmp_path / "b")]) == 1
    assert "golden row 0 is" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["localhost", "http://[", "http://127.0.0.1:1/a b", "http://x:y"])
def test_check_fails_on_a_url_that_is_none(
    url: str, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", url, "--bundle", str(bundle_folder)]) == 1
    assert "gives no predictions" in capsys.readouterr().err


def test_check_fails_when_nobody_answers(
    bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert cli.main(["check", f"http://127.0.0.1:{port}", "--bundle", str(bundle_folder)]) == 1
    assert "gives no predictions" in capsys.readouterr().err


def test_check_waits_for_a_server_that_is_still_to_come(bundle_folder: Path) -> None:
    environment = os.environ | {"BUNDLE": str(bundle_folder)}
    with socket.create_server(("127.0.0.1", 0)) as away:
        port = str(away.getsockname()[1])
        command = [*PREDICTOR, "check", f"http://127.0.0.1:{port}", f"--wait={START_SECONDS}"]
        waiting = subprocess.Popen(command, env=environment)
        away.accept()[0].close()  # so it has asked once, in vain
    with waiting, running(bundle_folder, PORT=port):
        assert waiting.wait(START_SECONDS) == 0


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PREDICTOR, "serve", *options],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def test_serving_without_a_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    ended = serve("--bundle", str(tmp_path / "none"))
    assert ended.returncode == 1
    assert events(ended.stderr)[-1]["message"].endswith(f"predictor train --output {tmp_path}/none")
    assert "Traceback" not in ended.stderr


def test_a_damaged_bundle_is_never_served(bundle_folder: Path, tmp_path: Path) -> None:
    for name in (bundle.MANIFEST, bundle.MODEL):
        (tmp_path / name).write_bytes((bundle_folder / name).read_bytes())
    with (tmp_path / bundle.MODEL).open("ab") as model:
        model.write(b"x")
    ended = serve("--bundle", str(tmp_path))
    assert ended.returncode == 1
    assert "is damaged" in ended.stderr


def test_a_port_that_is_taken_is_named(bundle_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = serve("--bundle", str(bundle_folder), "--port", port)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.stderr


def test_a_setting_that_cannot_be_used_ends_the_start(bundle_folder: Path) -> None:
    ended = serve("--bundle", str(bundle_folder), "--port", "http")
    assert ended.returncode == 1
    assert "setting PORT is 'http'" in ended.stderr


def test_a_request_that_was_begun_before_sigterm_is_answered(bundle_folder: Path, row: Row) -> None:
    body = msgspec.json.encode({"instances": [row]})
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with running(bundle_folder) as server:
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port or 0)) as connection:
            connection.sendall(head + body[:10])
            with httpx.Client(base_url=server.url) as client:
                client.get("/health")  # the server has read the first part by now
            server.process.terminate()
            wait_until_refused(address)
            connection.sendall(body[10:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.process.wait(START_SECONDS) == 0


def wait_until_refused(address: httpx.URL) -> None:
    """Return when the server takes no more connections: it has seen the signal."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address.host, address.port or 0)).close()
        except ConnectionError:  # refused, or reset as the listener closes
            return
    pytest.fail("the server went on listening")


def test_sigterm_ends_a_server_with_kept_alive_clients(bundle_folder: Path) -> None:
    with running(bundle_folder) as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        server.process.terminate()
        assert server.process.wait(START_SECONDS) == 0
