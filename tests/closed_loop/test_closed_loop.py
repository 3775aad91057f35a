"""An alert leads to a new bundle that is served, and no request notices; a worse one does not."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

from predictor import bundle
from predictor.contract import Row
from predictor.training.pipeline import Trained
from tests.protocol.process import PREDICTOR, Server, running
from tests.protocol.reloads import SETTINGS
from tests.protocol.reloads import served as served_by
from tests.servers import SILENT, free_port, mlflow_server, prefect_server

SECONDS = 240
MARK = "only-alertmanager-knows"
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass
class Client:
    """Asks all the time, without trying again, and notes what came back."""

    url: str
    row: Row
    failures: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    asked: int = 0

    def ask(self, stopping: threading.Event) -> None:
        with httpx.Client(timeout=60) as client:
            while not stopping.is_set():
                self.asked += 1
                try:
                    answer = client.post(self.url, json={"instances": [self.row]})
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                else:
                    version = answer.json()["model_version"]
                    if version not in self.versions[-1:]:
                        self.versions.append(version)
                stopping.wait(0.005)


@contextmanager
def asking(server: Server, row: Row) -> Iterator[Client]:
    client, stopping = Client(f"{server.url}/v1/models/energy:predict", row), threading.Event()
    thread = threading.Thread(target=client.ask, args=(stopping,))
    thread.start()
    try:
        yield client
    finally:
        stopping.set()
        thread.join()


@dataclass(frozen=True)
class Loop:
    """All that the closed loop consists of, each a process."""

    folder: Path
    history: Path
    server: Server
    client: Client
    prefect: str
    mlflow: str
    webhook: str
    log: Path

    def alert(self, since: str) -> str:
        """Tell of drift as Alertmanager does, until that is taken, and return the run's id."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                answer = httpx.post(
                    self.webhook,
                    json=notification(since),
                    headers={"Authorization": f"Bearer {MARK}"},
                    timeout=60,
                )
            except httpx.TransportError:
                answer = httpx.Response(503)
            if answer.status_code == 202:
                return str(answer.json()["run"])
            assert answer.status_code == 503, answer.text
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def state(self, run: str) -> dict[str, Any]:
        """Return the state in which a run has ended."""
        deadline = time.monotonic() + SECONDS
        while True:
            found = httpx.get(f"{self.prefect}/flow_runs/{run}", timeout=60).json()["state"]
            if found["type"] in FINAL:
                return dict(found)
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)


def notification(since: str) -> dict[str, Any]:
    """Return what Alertmanager posts for a firing alert."""
    labels = {"alertname": "EnergyDrift", "job": "energy", "column": "co2"}
    return {
        "version": "4",
        "groupKey": '{}:{alertname="EnergyDrift"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "retrain",
        "groupLabels": {"alertname": "EnergyDrift"},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": {},
                "startsAt": since,
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example",
                "fingerprint": "c6eadffa33fcdf37",
            }
        ],
    }


@contextmanager
def retraining(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*PREDICTOR, "retrain", *command],
            env=os.environ | SILENT | environment,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def loop(
    prefect: Path,
    served: Trained,
    history: Path,
    came: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Loop]:
    at = {n: tmp_path_factory.mktemp(n) for n in ("loop", "prefect", "mlflow", "worker")}
    folder, own = at["loop"] / "bundle", at["loop"] / "history.csv"
    bundle.write(folder, served.manifest, served.files)
    shutil.copy(history, own)
    secret = at["loop"] / "secret"
    secret.write_text(f"{MARK}\n")
    log = at["loop"] / "log"
    with ExitStack() as stack:
        api = stack.enter_context(prefect_server(at["prefect"], prefect))
        tracked = stack.enter_context(mlflow_server(at["mlflow"]))
        server = stack.enter_context(running(folder, **SETTINGS))
        sources = ["--data", str(own), "--captured", str(came), "--usage", str(came / "usage.csv")]
        port = free_port()  # the last, so that none of the servers takes it
        hook = ["--webhook", f"127.0.0.1:{port}", "--webhook-secret", str(secret)]
        environment = {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(at["worker"]),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "MLFLOW_TRACKING_URI": tracked,
        }
        again = ["--serve", "energy", "--cron", "0 3 * * 1", *hook]
        command = ["--bundle", str(folder), *sources, *again]
        stack.enter_context(retraining(command, log, environment))
        row = served.manifest.golden.rows[0]
        client = stack.enter_context(asking(server, row))
        url = f"http://127.0.0.1:{port}/alerts"
        yield Loop(folder, own, server, client, api, tracked, url, log)


def once(loop: Loop) -> str:
    """Return what a run that is refused says at the command line."""
    command = ["retrain", "--bundle", str(loop.folder), "--data", str(loop.history)]
    own = {"PREFECT_API_URL": loop.prefect, "PREFECT_HOME": str(loop.log.parent)}
    environment = os.environ | SILENT | own | {"PREFECT_LOGGING_LEVEL": "CRITICAL"}
    done = subprocess.run(
        [*PREDICTOR, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    return done.stderr


def test_a_drift_alert_ends_with_a_better_bundle_that_is_served_without_a_lost_request(
    loop: Loop, served: Trained
) -> None:
    run = loop.alert("2026-03-02T09:15:00Z")
    assert loop.alert("2026-03-02T09:15:00Z") == run
    state = loop.state(run)
    assert state["name"] == "Published", (state, loop.log.read_text())
    new = bundle.read(loop.folder).manifest
    assert new.version != served.manifest.version
    assert new.data.rows == 1200
    deadline = time.monotonic() + 60
    while loop.client.versions != [served.manifest.version, new.version]:
        assert time.monotonic() < deadline, loop.server.log.read_text()
        time.sleep(0.05)
    assert served_by(loop.server)["model_version"] == new.version
    assert loop.client.failures == []
    assert loop.client.asked > 100
    client = mlflow.MlflowClient(loop.mlflow)
    [tracked] = client.search_runs(
        [client.get_experiment_by_name("energy").experiment_id]  # type: ignore[union-attr]
    )
    assert tracked.data.tags["version"] == new.version
    assert tracked.data.metrics["5-fold/stack/rmse"] == new.scores["5-fold"]["stack"].rmse


def test_the_schedule_is_prefects_and_one_run_is_at_work_at_a_time(loop: Loop) -> None:
    loop.alert("2026-03-02T09:15:00Z")
    found = httpx.get(f"{loop.prefect}/deployments/name/retrain/energy", timeout=60).json()
    assert [each["schedule"]["cron"] for each in found["schedules"]] == ["0 3 * * 1"]
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_a_worse_candidate_is_refused_and_the_served_one_stays(loop: Loop) -> None:
    loop.state(loop.alert("2026-03-02T09:15:00Z"))
    before = bundle.read(loop.folder).manifest
    table = pd.read_csv(loop.history, dtype=str)
    table["Usage_kWh"] = np.random.default_rng(7).permutation(table["Usage_kWh"])
    table.to_csv(loop.history, index=False)
    state = loop.state(loop.alert("2026-03-03T09:15:00Z"))
    assert state["name"] == "Refused", (state, loop.log.read_text())
    assert "the candidate is worse by more than 5%: random 80/20: RMSE" in state["message"]
    assert bundle.read(loop.folder).manifest == before
    assert loop.client.versions[-1] == before.version
    assert loop.client.failures == []
    [said] = once(loop).splitlines()
    assert said.startswith("predictor: the candidate is worse by more than 5%: random 80/20: RMSE")
    runs = mlflow.MlflowClient(loop.mlflow).search_model_versions("name = 'energy'")
    assert [each.tags["version"] for each in runs] == [before.version]
