"""Workers that are killed again and again while clients ask."""

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from tests.protocol.clients import Client, rest, rpc
from tests.protocol.process import Server, running
from tests.protocol.processes import children, descriptors, environment, peers, threads
from tests.protocol.security.asking import until
from tests.protocol.test_grpc import columns

PREDICT = "/v1/models/energy:predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SECONDS = 60
CLIENTS = 4


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Fire:
    """A server with workers, its clients, and where each of the REST clients is connected."""

    def __init__(self, server: Server, row: Row) -> None:
        self.server = server
        self.keeper = server.process.pid
        body = msgspec.json.encode({"instances": [row]})
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        infer = pb.ModelInferRequest(model_name="energy", inputs=columns(row)).SerializeToString()
        self.ports: dict[int, int] = {}
        self.rest = [
            Client(partial(rest, server.url, head.encode() + body, partial(self._at, number)))
            for number in range(CLIENTS)
        ]
        self.rpc = [Client(partial(rpc, server.grpc, INFER, infer)) for _ in range(CLIENTS)]
        self.clients = [*self.rest, *self.rpc]

    def _at(self, number: int, port: int) -> None:
        self.ports[number] = port

    def back(self) -> int:
        return self.server.log.read_text().count(' is back"')

    def wait_until_all_go_on(self) -> None:
        """Return when each client has been answered once more."""
        before = [client.tally.answered for client in self.clients]
        wait_for(
            lambda: all(
                client.tally.answered > count or client.tally.wrong
                for client, count in zip(self.clients, before, strict=True)
            )
        )

    def told(self) -> str:
        tallies = [client.tally for client in self.clients]
        sent = sum(tally.sent for tally in tallies)
        failure = max(tally.slowest_failure for tally in tallies)
        answer = max(tally.slowest_answer for tally in tallies)
        return f"{sent} requests; slowest failure {failure:.3f} s, slowest answer {answer:.3f} s"

    def kill_one(self) -> float:
        """Kill a worker, and return after how many seconds there is another."""
        back, start = self.back(), time.monotonic()
        os.kill(random.choice(sorted(children(self.keeper))), signal.SIGKILL)
        wait_for(lambda: self.back() > back)
        return time.monotonic() - start

    def kill_one_under_fire(self) -> tuple[float, int]:
        """Kill a worker; return after how many seconds it is back and how many requests failed.

        No request fails but one for each connection to that worker. One of gRPC that comes back
        while the kernel is still closing the worker's own socket is reset once more.
        """
        self.wait_until_all_go_on()
        worker, back = random.choice(sorted(children(self.keeper))), self.back()
        http = peers(worker, urlsplit(self.server.url).port or 0)
        calls = len(peers(worker, int(self.server.grpc.rpartition(":")[2])))
        failed = [client.tally.failed for client in self.clients]
        start = time.monotonic()
        allowed = [int(self.ports[number] in http) for number in range(CLIENTS)]
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: self.back() > back)
        seconds = time.monotonic() - start
        self.wait_until_all_go_on()
        lost = [c.tally.failed - n for c, n in zip(self.clients, failed, strict=True)]
        assert all(n <= most for n, most in zip(lost, allowed, strict=False)), (lost, allowed)
        # One may have come to the worker after its connections were looked at.
        assert sum(lost[CLIENTS:]) <= 2 * (calls + 1), (lost, calls)
        return seconds, sum(lost)


@contextmanager
def under_fire(folder: Path, row: Row, workers: int) -> Iterator[Fire]:
    with running(folder, WORKERS=str(workers)) as server:
        fire = Fire(server, row)
        for client in fire.clients:
            client.start()
        try:
            yield fire
        finally:
            for client in fire.clients:
                client.finish()


def samples(url: str, name: str, *labels: str) -> float:
    """Return the sum of the samples of a name that have all of some labels."""
    lines = httpx.get(f"{url}/metrics", timeout=SECONDS).text.splitlines()
    found = [line for line in lines if line.startswith(f"{name}{{")]
    return sum(float(line.split()[-1]) for line in found if all(label in line for label in labels))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return 100 if request.config.getoption("--long") else 10


def test_only_what_a_killed_worker_was_asked_fails_and_every_count_is_exact(
    bundle_folder: Path, row: Row, kills: int, say: Callable[[str], None]
) -> None:
    with under_fire(bundle_folder, row, 2) as fire:
        kill_again_and_again(fire, kills, say)


@pytest.mark.usefixtures("long_form")
def test_it_is_so_with_more_workers_than_there_are_cores(
    bundle_folder: Path, row: Row, kills: int, say: Callable[[str], None]
) -> None:
    with under_fire(bundle_folder, row, 4) as fire:
        kill_again_and_again(fire, kills, say)


def kill_again_and_again(fire: Fire, kills: int, say: Callable[[str], None]) -> None:
    fire.wait_until_all_go_on()
    before = (descriptors(fire.keeper), threads(fire.keeper), len(children(fire.keeper)))
    folder = Path(environment(min(children(fire.keeper)))["PROMETHEUS_MULTIPROC_DIR"])
    killed = [fire.kill_one_under_fire() for _ in range(kills)]
    say(f"{before[2]} workers, killed {kills} times: {told(killed)}")
    wait_for(lambda: before == (descriptors(fire.keeper), threads(fire.keeper), before[2]))
    assert len(children(fire.keeper)) == before[2]
    for client in fire.clients:
        client.finish()
    say(f"  {fire.told()}")
    assert_counted(fire.rest, fire.server.url, PREDICT)
    assert_counted(fire.rpc, fire.server.url, INFER)
    assert samples(fire.server.url, "predictor_model_info") == 1
    assert_bounded(folder, before[2])
    size_bytes = sum(file.stat().st_size for file in folder.iterdir())
    files = len(list(folder.iterdir()))
    say(f"  {files} files, {size_bytes} bytes; a scrape takes {scrape(fire.server)}\n")
    fire.server.process.terminate()
    assert fire.server.process.wait(SECONDS) == 0
    assert not folder.exists()


def assert_counted(clients: list[Client], url: str, route: str) -> None:
    """A request whose worker was killed meanwhile may be counted or not; every other one is."""
    assert not [wrong for client in clients for wrong in client.tally.wrong]
    counted = samples(url, "predictor_requests_total", f'route="{route}"')
    assert sum(client.tally.answered for client in clients) <= counted
    assert counted <= sum(client.tally.sent for client in clients)


def assert_bounded(folder: Path, workers: int) -> None:
    """Files are as many as workers and kinds of metrics, however many have died."""
    names = {file.name for file in folder.iterdir()}
    kinds = {name.rpartition("_")[0] for name in names}
    assert names <= {f"{kind}_{number}.db" for kind in kinds for number in range(workers)}


def told(killed: list[tuple[float, int]]) -> str:
    back, failed = [seconds for seconds, _ in killed], [count for _, count in killed]
    median = f"back after {statistics.median(back):.2f} s (median)"
    return f"{median}, {max(back):.2f} s (longest); {statistics.mean(failed):.2f} failures a kill"


def scrape(server: Server) -> str:
    """Return how long Prometheus waits."""
    seconds = []
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        for _ in range(50):
            start = time.perf_counter()
            client.get("/metrics")
            seconds.append(time.perf_counter() - start)
    return f"{statistics.median(seconds) * 1e3:.1f} ms, at most {max(seconds) * 1e3:.1f} ms"


@pytest.mark.usefixtures("long_form")
def test_a_scrape_of_one_worker_for_comparison(
    bundle_folder: Path, row: Row, say: Callable[[str], None]
) -> None:
    with running(bundle_folder, WORKERS="1") as server:
        httpx.post(server.url + PREDICT, json={"instances": [row]})
        say(f"1 worker: a scrape takes {scrape(server)}\n")


def test_counts_are_the_requests_sent_however_many_workers_died_in_between(
    bundle_folder: Path, row: Row, kills: int
) -> None:
    sent = 0

    def is_all_counted() -> bool:
        return samples(server.url, "predictor_rows_total") == sent

    with running(bundle_folder, WORKERS="2") as server:
        fire = Fire(server, row)
        for _ in range(kills // 2):
            for _ in range(10):  # a connection each, so that every worker gets some
                url, rows = server.url + PREDICT, {"instances": [row]}
                assert httpx.post(url, json=rows, timeout=SECONDS).status_code == 200
                sent += 1
            assert samples(server.url, "predictor_requests_total", PREDICT, 'code="200"') == sent
            # Every other count is up to a second behind, which a worker that is killed takes along.
            until(is_all_counted)
            fire.kill_one()
        assert samples(server.url, "predictor_requests_total", PREDICT, 'code="200"') == sent
        assert samples(server.url, "predictor_rows_total") == sent
        assert samples(server.url, "request_preprocess_seconds_count") == sent
        assert samples(server.url, "request_predict_seconds_bucket", 'le="+Inf"') == sent
        assert samples(server.url, "predictor_model_info") == 1
