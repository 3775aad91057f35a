"""What the image copies of the package is enough to run its commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def copied(folder: Path, start: str) -> None:
    """Copy what a stage of the Dockerfile does, whose targets begin so."""
    for source, target in re.findall(
        rf"^COPY (predictor/\S+) {start}(predictor/\S*)$", DOCKERFILE, re.MULTILINE
    ):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for file in ROOT.glob(source):
            if file.is_dir():
                shutil.copytree(file, folder / target, dirs_exist_ok=True)
            else:
                shutil.copy(file, folder / target)


@pytest.mark.parametrize(
    ("start", "command"), [("", "train"), ("/app/", "serve"), ("/app/", "check")]
)
def test_a_command_of_the_image_has_all_its_modules(
    tmp_path: Path, start: str, command: str
) -> None:
    copied(tmp_path, start)
    found = subprocess.run(
        [sys.executable, "-P", "-m", "predictor", command, "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"usage: predictor {command}")
