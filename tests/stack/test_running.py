"""`make stack` starts real servers, `make verify` looks at them, and nothing is left of them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.services import NAMES, PORTS
from stack.started import NAME
from tests.missing import missing
from tests.paths import ROOT
from tests.servers import START_SECONDS, free_port
from tests.stack.processes import descendants, left

RUN = ("predictor", "mlflow", "prefect", "prometheus")


@dataclass(frozen=True)
class Stack:
    process: subprocess.Popen[bytes]
    state: Path
    bundle: Path
    log: Path

    def verify(self, *options: str) -> tuple[int, dict[tuple[str, str], str]]:
        """Return the status of `make verify`, and its table."""
        result = subprocess.run(
            [
                *(sys.executable, "-m", "stack.verify", *options),
                *("--bundle", str(self.bundle), "--state", str(self.state)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [re.split(r"\s{2,}", line, maxsplit=2) for line in result.stdout.splitlines()]
        assert lines[:1] == [["service", "check", "result"]], result.stderr
        return result.returncode, {(name, title): said for name, title, said in lines[1:]}

    def pid(self, command: str) -> int:
        """Return the process of ours that was started by this command."""
        [found] = [
            pid
            for pid in descendants(self.process.pid)
            if Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] == command
        ]
        return found


@contextmanager
def stack(folder: Path, bundle: Path, prefect: Path) -> Iterator[Stack]:
    ports: dict[str, int] = {}
    while len(set(ports.values())) < len(PORTS):
        ports = {name: free_port() for name in PORTS}
    command = [sys.executable, "-m", "stack.run", "--bundle", str(bundle), "--state", str(folder)]
    command += ["--prefect", str(prefect), *(f"--port={name}={ports[name]}" for name in ports)]
    path, log = folder.with_name("path"), folder.with_name("log")
    path.mkdir()
    (path / "prometheus").symlink_to(str(shutil.which("prometheus")))
    # So that a Grafana, where there is one, is left out.
    environment = os.environ | {"PATH": str(path)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (folder / NAME).exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield Stack(process, folder, bundle, log)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def live(
    prefect: Path, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    if not shutil.which("prometheus"):
        missing("prometheus is not installed, which is in Debian's package prometheus")
    with stack(tmp_path_factory.mktemp("stack") / "state", bundle_folder, prefect) as found:
        yield found


def test_every_service_that_runs_is_well(live: Stack) -> None:
    status, table = live.verify()
    assert status == 0, (table, live.log.read_text())
    assert {name for name, _ in table} == set(NAMES)
    assert table.pop(("grafana", "–")) == "absent"
    assert len(table) == 11
    assert all(said.startswith("ok: ") for said in table.values())
    assert re.search("predicts all [0-9]+ golden rows", table["predictor", "golden rows"])


def test_the_table_of_what_was_started_says_where_it_is(live: Stack) -> None:
    urls = json.loads((live.state / NAME).read_text())
    assert tuple(urls) == RUN
    said = live.log.read_text()
    assert all(url in said for url in urls.values())
    assert re.search(r"^grafana +left out +grafana is not installed$", said, re.MULTILINE)


def test_what_is_absent_fails_where_all_has_to_run(live: Stack) -> None:
    status, table = live.verify("--all", "--wait=0")
    assert status == 1
    failed = {name for (name, _), said in table.items() if said.startswith("FAILED")}
    assert failed == {"grafana"}


def test_rules_that_are_missing_are_told_of(live: Stack) -> None:
    """Prometheus itself is content without a file of rules."""
    rules, prometheus = live.state / "prometheus" / "rules.yaml", live.pid("prometheus")
    away = rules.rename(rules.with_suffix(".away"))
    try:
        os.kill(prometheus, signal.SIGHUP)
        deadline = time.monotonic() + 30
        while (found := live.verify("--wait=0"))[0] == 0:
            assert time.monotonic() < deadline, "Prometheus has not read its configuration again"
        status, table = found
    finally:
        away.rename(rules)
        os.kill(prometheus, signal.SIGHUP)
    assert status == 1
    assert table["prometheus", "rules"].startswith("FAILED: it lacks the rules of predictor-")
    assert sum(said.startswith("FAILED") for said in table.values()) == 1
    assert live.verify()[0] == 0


def test_another_bundle_than_the_served_one_is_told_of(live: Stack, tmp_path: Path) -> None:
    status, table = Stack(live.process, live.state, tmp_path, live.log).verify("--wait=0")
    assert status == 1
    assert table["predictor", "golden rows"].startswith("FAILED: ")


@pytest.mark.parametrize("port", ["kafka=9092", "mlflow", "mlflow=x", "mlflow=0", "mlflow=65536"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "stack.run", "--prefect", "prefect", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"'{port}': expected NAME=PORT, with a NAME of predictor, grpc, mlflow" in result.stderr


def test_when_it_is_ended_no_process_is_left_and_the_predictor_is_missed(live: Stack) -> None:
    """This ends what the tests above look at."""
    pids = descendants(live.process.pid)
    assert len(pids) >= len(RUN)
    live.process.send_signal(signal.SIGINT)
    assert live.process.wait(60) == 0
    assert left(pids) == set()
    status, table = live.verify("--wait=0")
    failed = {name for (name, _), said in table.items() if said.startswith("FAILED")}
    assert status == 1
    assert "predictor" in failed
