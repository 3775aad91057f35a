"""What the image that scores files holds and does: `make batch-image`."""

import json
import re
import subprocess

from benchmarks.image import Image
from predictor import __version__
from tests.conftest import ROW
from tests.image.container import Container
from tests.image.test_running import USER
from tests.paths import ROOT

SERVERS = {"cryptography", "fastapi", "grpcio", "uvicorn", "uvloop"}
TRAINERS = {"catboost", "lightgbm", "onnx", "pandas", "xgboost", "xgboost-cpu"}
# Its root is read-only where docker or podman run it, but not its shared memory.
SCORE = """
import json, pathlib, subprocess, sys, tempfile
import pyarrow as pa, pyarrow.parquet as pq
with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
    files = [f"{folder}/{name}" for name in ("in.parquet", "out.parquet")]
    pq.write_table(pa.Table.from_pylist([json.loads(sys.argv[1])] * 5), files[0])
    command = [sys.executable, "-m", "predictor", "score", *files, "--bundle=/bundle"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    print(json.dumps(pq.read_table(files[1]).to_pylist()))
"""


def locked() -> set[str]:
    """Return the names of scoring's libraries on Linux."""
    text = (ROOT / "requirements" / "score.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==\S+(?: ; (.*?))? *\\$", text, re.MULTILINE)
    return {name for name, marker in pins if "win32" not in marker}


def run(container: Container, *arguments: str) -> str:
    result = subprocess.run(
        container.command(*arguments), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_labels_say_which_version_it_is(batch_built: Image) -> None:
    prefix = "org.opencontainers.image."
    assert batch_built.labels[f"{prefix}title"] == "energy-predictor-batch"
    assert batch_built.labels[f"{prefix}version"] == __version__
    assert re.fullmatch("[0-9a-f]{40}", batch_built.labels[f"{prefix}revision"])


def test_it_is_nobody(batch_built: Image) -> None:
    assert batch_built.user == f"{USER}:{USER}"


def test_it_holds_what_scores_and_neither_servers_nor_trainers(batch_container: Container) -> None:
    code = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    installed = set(run(batch_container, "-c", code).split())
    assert locked() <= installed
    assert "pyarrow" in installed
    assert not installed & (SERVERS | TRAINERS)


def test_it_scores_a_file(batch_container: Container) -> None:
    rows = json.loads(run(batch_container, "-c", SCORE, json.dumps(ROW)))
    assert len(rows) == 5
    assert all(3 < row["predicted_usage_kwh"] < 4 for row in rows)  # 3.17 kWh were used
