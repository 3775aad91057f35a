"""What the image copies of the package is enough to run its commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

# By its name; the last, which has none, is the server's.
STAGES = {
    stage.splitlines()[0].partition(" AS ")[2]: stage
    for stage in re.split("^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
}


def copied(folder: Path, stage: str) -> None:
    """Copy what a stage of the Dockerfile does."""
    for source, target in re.findall(
        r"^COPY (predictor/\S+) (?:/app/)?(predictor/\S*)$", STAGES[stage], re.MULTILINE
    ):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for file in ROOT.glob(source):
            if file.is_dir():
                shutil.copytree(file, folder / target, dirs_exist_ok=True)
            else:
                shutil.copy(file, folder / target)


@pytest.mark.parametrize(
    ("stage", "command"), [("train", "train"), ("", "serve"), ("", "check"), ("batch", "score")]
)
def test_a_command_of_the_image_has_all_its_modules(
    tmp_path: Path, stage: str, command: str
) -> None:
    copied(tmp_path, stage)
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
