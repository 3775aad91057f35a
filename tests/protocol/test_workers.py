"""Several processes on the same ports."""

import os
import re
import resource
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
from tests.protocol.processes import children, environment
from tests.protocol.test_operation import wait_until_refused

PREDICT = "/v1/models/energy:predict"
LIVE = "/inference.GRPCInferenceService/ServerLive"


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
        assert len(children(server.process.pid)) == 2
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
        before = children(server.process.pid)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while len(now := children(server.process.pid) - {killed}) < 2:
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
    _, said = events(ended.stderr)
    wanted = r"worker \d cannot start: .* does not predict what it did"
    assert re.match(wanted, said["message"])


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
        workers = children(server.process.pid)
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
    said = [event["message"] for event in events(ended.stderr)]
    assert re.fullmatch(r"worker \d cannot start: killed by SIGKILL", said[-1])
    waits = re.findall(
        r"worker 0 ended: killed by SIGKILL; another starts in (\S+) s", "\n".join(said)
    )
    assert waits == ["0.1", "0.2", "0.4", "0.8"][: len(waits)]


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


def wait_until_logged(server: Server, pattern: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not re.search(pattern, server.log.read_text()):
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.01)


@pytest.fixture
def own_bundle(trained: Trained, tmp_path: Path) -> Path:
    """Return a bundle that a test may damage."""
    bundle.write(tmp_path / "own", trained.manifest, trained.files)
    return tmp_path / "own"


def test_the_others_serve_everyone_while_one_cannot_come_back(own_bundle: Path) -> None:
    model = own_bundle / bundle.MODEL
    with running(own_bundle, WORKERS="2") as server:
        right = model.read_bytes()
        model.write_bytes(b"wrong")
        os.kill(min(children(server.process.pid)), signal.SIGKILL)
        wait_until_logged(server, r"worker \d ended: .* is damaged.*; another starts in \S+ s")
        for _ in range(20):  # a connection each, none of which waits for the worker that is gone
            assert httpx.get(server.url + "/v2/health/live", timeout=5).status_code == 200
        assert len(children(server.process.pid)) < 3
        model.write_bytes(right)
        wait_until_logged(server, r"worker \d is back")


def test_the_server_ends_when_nobody_is_left_and_none_can_start(own_bundle: Path) -> None:
    with running(own_bundle, WORKERS="2") as server:
        (own_bundle / bundle.MODEL).write_bytes(b"wrong")
        for worker in children(server.process.pid):
            os.kill(worker, signal.SIGKILL)
        assert server.process.wait(START_SECONDS) == 1
        log = server.log.read_text()
    assert re.match(r"worker \d cannot start: .* is damaged", events(log)[-1]["message"])
    assert "Traceback" not in log


def test_a_worker_for_which_the_system_has_no_room_is_started_later(bundle_folder: Path) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
        os.kill(min(children(server.process.pid)), signal.SIGKILL)
        wait_until_logged(server, r"worker \d ended: not started: .* another starts in")
        assert len(children(server.process.pid)) == 1
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        wait_until_logged(server, r"worker \d is back")
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_with_its_own_code(bundle_folder: Path, workers: str) -> None:
    with running(bundle_folder, WORKERS=workers) as server:
        group = os.getpgid(server.process.pid)
        assert all(os.getpgid(worker) != group for worker in children(server.process.pid))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(START_SECONDS) == 130
        assert "Traceback" not in server.log.read_text()


def test_who_presses_ctrl_c_again_does_not_wait_for_what_is_being_answered(
    bundle_folder: Path,
) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        address = httpx.URL(server.url)
        workers = children(server.process.pid)
        with socket.create_connection((address.host, address.port or 0)) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            assert httpx.get(f"{server.url}/health").status_code == 200
            server.process.send_signal(signal.SIGINT)
            wait_until_refused(address)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(START_SECONDS) == 130
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_is_heard_from_the_beginning(
    bundle_folder: Path, tmp_path: Path, workers: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'predictor.serving.server': os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Hook())\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = serve(bundle_folder, WORKERS=workers, GRPC_PORT="0", PYTHONPATH=path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_workers_counted_does_not_stay_in_memory_when_their_server_was_killed(
    bundle_folder: Path,
) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        workers = children(server.process.pid)
        folder = Path(environment(min(workers))["PROMETHEUS_MULTIPROC_DIR"])
        server.process.kill()
        assert list(folder.iterdir())
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            time.sleep(0.01)
    with running(bundle_folder, WORKERS="2"):
        assert not folder.exists()


@pytest.mark.usefixtures("long_form")
def test_a_worker_that_is_stuck_is_replaced(bundle_folder: Path) -> None:
    with running(bundle_folder, WORKERS="2") as server:
        os.kill(min(children(server.process.pid)), signal.SIGSTOP)
        deadline = time.monotonic() + 120
        while " is back" not in server.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "answers nothing any more; killing it" in server.log.read_text()
