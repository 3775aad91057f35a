"""What dvc.yaml says, against our command line and what training imports."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from predictor import cli
from tests.paths import ROOT

# What `predictor train` loads before it has read its data.
IMPORTS = """
import json, sys
from predictor.training import dataset, pipeline
from predictor.training.report import progress
files = [m.__file__ for name, m in sys.modules.items() if name.startswith("predictor.")]
print(json.dumps(files))
"""


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    assert document.keys() == {"stages"}
    found: dict[str, Any] = document["stages"]
    return found


def parsed(command: str) -> Any:  # noqa: ANN401 - argparse's namespace
    python, module, name, *arguments = shlex.split(command)
    assert (python, module, name) == ("python", "-m", "predictor")
    return cli._parser().parse_args(arguments)


def test_the_commands_are_commands_of_ours(stages: dict[str, Any]) -> None:
    train, verify = (parsed(stages[name]["cmd"]) for name in ("train", "verify"))
    assert train.run.__name__ == "_train"
    assert verify.run.__name__ == "_verify"
    assert str(train.output) == str(verify.bundle) == "bundle"


def test_a_stage_takes_what_the_one_before_it_makes(stages: dict[str, Any]) -> None:
    assert [*stages] == ["train", "verify"]
    assert stages["train"]["outs"] == stages["verify"]["deps"] == ["bundle"]


def test_a_bundle_is_trained_anew_when_what_training_imports_has_changed(
    stages: dict[str, Any],
) -> None:
    command = [sys.executable, "-c", IMPORTS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = [Path(file).relative_to(ROOT) for file in json.loads(result.stdout)]
    dependencies = [Path(dependency) for dependency in stages["train"]["deps"]]
    assert len(imported) > 20
    missed = [
        str(file)
        for file in imported
        if not any(file.is_relative_to(dependency) for dependency in dependencies)
    ]
    assert missed == []


def test_what_a_stage_depends_on_is_there(stages: dict[str, Any]) -> None:
    assert [it for it in stages["train"]["deps"] if not (ROOT / it).exists()] == []


def test_git_keeps_no_bundle() -> None:
    assert "/bundle/" in (ROOT / ".gitignore").read_text().splitlines()
