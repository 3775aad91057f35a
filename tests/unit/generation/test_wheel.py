import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from predictor import __version__
from predictor.generation import packaged
from predictor.generation.wheel import NAME, wheel

CONTENT = wheel(packaged.serving())


def test_the_same_files_make_the_same_wheel_and_others_another() -> None:
    assert wheel(packaged.serving()) == CONTENT
    assert wheel(packaged.serving() | {"predictor/errors.py": b""}) != CONTENT


def test_every_file_is_recorded_with_its_digest() -> None:
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as archive:
        [record] = [name for name in archive.namelist() if name.endswith("/RECORD")]
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert [row[0] for row in rows] == archive.namelist()
        for name, kept, size in rows[:-1]:
            digest = hashlib.sha256(archive.read(name)).digest()
            assert kept == f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
            assert int(size) == archive.getinfo(name).file_size


def test_it_holds_what_serves_and_nothing_that_trains() -> None:
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as archive:
        names = set(archive.namelist())
    assert {"predictor/__main__.py", "predictor/serving/server.py"} <= names
    assert not {
        name for name in names if name.startswith(("predictor/training", "predictor/drift"))
    }


def test_its_command_runs_of_itself_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    with zipfile.ZipFile(tmp_path / NAME) as archive:
        archive.extractall(tmp_path / "site")
    for command in ("serve", "check"):
        found = subprocess.run(
            [sys.executable, "-P", "-m", "predictor", command, "--help"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
    assert f"-{__version__}+serve-" in NAME
