"""A running server keeps a sample of what it predicts."""

import json
import re
import subprocess
import time
from pathlib import Path

import httpx

from predictor import captured
from predictor.contract import Row
from tests.protocol.process import PREDICTOR, running

MARK = "never-written"


def test_workers_keep_what_they_predicted_and_no_secret(
    bundle_folder: Path, tmp_path: Path, row: Row
) -> None:
    settings = {"CAPTURE_FOLDER": str(tmp_path), "CAPTURE_RATIO": "1", "WORKERS": "2"}
    body = {"instances": [row, row], "password": MARK}
    answers = []
    with running(bundle_folder, **settings) as server:
        for _ in range(20):
            headers = {"Authorization": f"Bearer {MARK}", "Connection": "close"}
            url = f"{server.url}/v1/models/energy:predict?key={MARK}"
            answer = httpx.post(url, json=body, headers=headers, timeout=60)
            answers += answer.raise_for_status().json()["predictions"]
    assert server.process.wait() == 0
    lines = list(captured.read(tmp_path))
    assert [p for line in lines for p in line.predictions] == answers
    assert [cells for line in lines for cells in line.rows] == [
        [2.95, 0.0, 0.0, 73.21, 100.0, 900, 0, "Light"]
    ] * 40
    files = list(tmp_path.glob("capture-*.jsonl"))
    assert len(files) == 2
    assert not any(MARK in file.read_text() for file in files)
    command = [*PREDICTOR, "drift", str(bundle_folder), str(tmp_path), "--json"]
    shown = subprocess.run(command, check=True, capture_output=True).stdout
    assert json.loads(shown)["rows"] == 40


def test_a_folder_that_is_not_there_fails_no_request(
    bundle_folder: Path, tmp_path: Path, row: Row
) -> None:
    folder = tmp_path / "none"
    with running(bundle_folder, CAPTURE_FOLDER=str(folder), CAPTURE_RATIO="1") as server:
        deadline = time.monotonic() + 60
        while "cannot capture in" not in server.log.read_text():
            assert time.monotonic() < deadline
            url = f"{server.url}/v1/models/energy:predict"
            httpx.post(url, json={"instances": [row]}, timeout=60).raise_for_status()
        text = httpx.get(f"{server.url}/metrics", timeout=60).text
    assert re.search(r'predictor_capture_dropped_total{reason="disk"} [1-9]', text)
