"""Several processes on the same ports."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import grpc
import httpx
import msgspec
import pytest

from predictor import bundle
from predictor.contract import Row
from predictor.errors import SettingsError
from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.processes import ports, worker
from predictor.training.pipeline import Trained
from tests.protocol.process import PREDICTOR, START_SECONDS, Server, events, running
from tests.protocol.test_operation import wait_until_refused

PREDICT = "/v1/models/energy:predict"
LIVE = "/inference.GRPCInferenceService/ServerLive"


def children(server: Server) -> set[int]:
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return set(map(int, listed.split()))


def count(url: str, **labels: str) -> float:
    """Return how many requests with labels the server says to have answered."""
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("predictor_requests_total{")]
    return sum(float(line.split()[-1]) for line in found if all(w in line for w in wanted))


def test_all_workers_answer_both_protocols_and_are_counted_together(
    bundle_folder: Path, row: Row
) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        assert len(children(server)) == 2
        for _ in range(40):  # a connection each, so that every worker gets some
            assert httpx.post(server.url + PREDICT, json={"instances": [row]}).status_code == 200
            with grpc.insecure_channel(server.grpc) as channel:
                ask = channel.unary_unary(LIVE, None, None)
                ask(pb.ServerLiveRequest().SerializeToString(), timeout=10)
        assert count(server.url, route=PREDICT) == 40
        assert count(server.url, route=LIVE, code="OK") == 40
        assert httpx.get(server.url + "/metrics").text.count("predictor_model_info{") == 1
        server.process.terminate()
        assert server.process.wait(START_SECONDS) == 0


def test_a_worker_that_is_killed_is_replaced_and_what_it_counted_stays(
    bundle_folder: Path, row: Row
) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        for _ in range(20):
            httpx.post(server.url + PREDICT, json={"instances": [row]})
        before = children(server)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while len(now := children(server) - {killed}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert now - before
        for _ in range(20):
            answer = httpx.post(server.url + PREDICT, json={"instances": [row]}, timeout=30)
            assert answer.status_code == 200
        assert count(server.url, route=PREDICT) == 40


def test_workers_that_cannot_start_end_the_server(trained: Trained, tmp_path: Path) -> None:
    golden = trained.manifest.golden
    golden = msgspec.structs.replace(golden, predictions=[p + 1 for p in golden.predictions])
    manifest = msgspec.structs.replace(trained.manifest, golden=golden)
    bundle.write(tmp_path / "bundle", manifest, trained.files)  # which only its graph gives away
    ended = serve(tmp_path / "bundle", WORKERS="2", GRPC_PORT="0")
    assert ended.returncode == 1
    assert "does not predict what it did at training" in ended.stderr
    last = events(ended.stderr)[-1]["message"]
    assert last == "a worker cannot start, so the others were stopped"
    assert "Traceback" not in ended.stderr


def serve(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Return how a server ended that cannot start."""
    return subprocess.run(
        [*PREDICTOR, "serve", "--bundle", str(folder)],
        env=os.environ | {"PORT": "0"} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_grpc_port_that_is_taken_is_named(bundle_folder: Path, workers: str) -> None:
    with running(bundle_folder) as server:
        port = server.grpc.rpartition(":")[2]
        ended = serve(bundle_folder, WORKERS=workers, GRPC_PORT=port)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.stderr


def test_one_port_for_both_protocols_is_refused(bundle_folder: Path) -> None:
    ended = serve(bundle_folder, PORT="8999", GRPC_PORT="8999")
    assert ended.returncode == 1
    assert "settings PORT and GRPC_PORT are both 8999" in ended.stderr


def test_workers_end_when_the_process_that_keeps_them_is_gone(bundle_folder: Path) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        workers = children(server)
        server.process.kill()
        deadline = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_the_machine_gives_is_said_at_start(bundle_folder: Path) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        assert re.search(
            r"CPU limit: \S+; workers: 2; threads of each: \d+", server.log.read_text()
        )


def test_workers_that_are_always_killed_before_they_are_ready_end_the_server(
    bundle_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'predictor.serving.processes.worker' in sys.orig_argv: os.kill(os.getpid(), 9)\n"
    )
    ended = serve(bundle_folder, WORKERS="2", GRPC_PORT="0", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    last = events(ended.stderr)[-1]["message"]
    assert last == "a worker cannot start, so the others were stopped"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nobody_connects_any_more_while_requests_are_finished(
    bundle_folder: Path, row: Row, workers: str
) -> None:
    body = msgspec.json.encode({"instances": [row]})
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with running(bundle_folder, WORKERS=workers) as server:
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port or 0)) as connection:
            connection.sendall(head + body[:10])
            assert httpx.get(f"{server.url}/health").status_code == 200
            server.process.terminate()
            wait_until_refused(address)
            connection.sendall(body[10:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.process.wait(START_SECONDS) == 0


def test_a_port_that_another_took_before_it_was_listened_on_is_named() -> None:
    with ports.bound("127.0.0.1", 0, 0, 1) as bound:
        [listener] = bound.listeners
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", bound.http))
            other.listen()
            with pytest.raises(SettingsError, match=r"cannot listen on .* Address already in use"):
                worker._listen(listener)
