"""The wall clock jumps, and there is no network but loopback."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest

from predictor.contract import Row
from tests.protocol.process import PREDICTOR, START_SECONDS
from tests.protocol.trouble.surroundings import PREDICT, Surroundings, in_namespace, running

SOURCE = Path(__file__).with_name("shifted_clock.c")
HOUR = 3600
LIVE = "/inference.GRPCInferenceService/ServerLive"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler to make a library that shifts the clock")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    options = ["-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run([compiler, *options], check=True)
    return made


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_clock_that_jumps_an_hour_breaks_no_connection(
    bundle_folder: Path, row: Row, library: Path, tmp_path: Path, workers: str
) -> None:
    shift = tmp_path / "shift"
    shift.write_bytes(bytes(8))
    settings = {"CLOCK_SHIFT": str(shift), "LD_PRELOAD": str(library), "WORKERS": workers}
    with (
        running(bundle_folder, Surroundings(settings=settings)) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        is_live = channel.unary_unary(LIVE, None, None)
        for hours in (0, 1, -1, 0):
            shift_by(shift, hours * HOUR)
            told = client.post("/predict", json=row).json()["prediction_timestamp"]
            off = datetime.fromisoformat(told) - datetime.now(UTC)
            assert abs(off - timedelta(hours=hours)) < timedelta(minutes=10)
            for _ in range(20):
                assert client.post(PREDICT, json={"instances": [row]}).status_code == 200
                is_live(b"", timeout=30)
        took = sums_of_seconds(client.get("/metrics").text)
        assert all(0 <= seconds < HOUR / 2 for seconds in took)
        server.process.terminate()
        assert server.process.wait(START_SECONDS) == 0


def shift_by(file: Path, seconds: int) -> None:
    with file.open("r+b", buffering=0) as mapped:
        mapped.write(seconds.to_bytes(8, "little", signed=True))


def sums_of_seconds(metrics: str) -> list[float]:
    return [float(line.split()[-1]) for line in metrics.splitlines() if "_seconds_sum" in line]


def test_a_server_starts_and_answers_without_a_network_or_names(bundle_folder: Path) -> None:
    before = in_namespace("--user --map-root-user --net", "ip link set lo up")
    serve = [*PREDICTOR, "serve", "--port", "8080"]
    check = [*PREDICTOR, "check", "http://127.0.0.1:8080", f"--wait={START_SECONDS}"]
    script = f"{' '.join(serve)} & {' '.join(check)}; code=$?; kill $!; wait; exit $code"
    ended = subprocess.run(
        [*before, "sh", "-c", script],
        env=os.environ | {"BUNDLE": str(bundle_folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * START_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    assert "predicts all 32 golden rows" in ended.stdout
