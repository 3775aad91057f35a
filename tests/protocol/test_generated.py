"""What is generated for a model works: its own tests pass, against a real server of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from predictor import agent, bundle, experiment
from tests.paths import ROOT
from tests.protocol.process import Server


@pytest.fixture(scope="module")
def deployment(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that is generated for the tests' bundle."""
    manifest = bundle.read(bundle_folder).manifest
    folder = tmp_path_factory.mktemp("experiment")
    found = experiment.of_bundle(manifest, str(bundle_folder))
    experiment.write(folder / experiment.FILE, found)
    made, _ = agent.run_deployment_agent(
        folder / experiment.FILE, api_title="Steel", api_version="2.0", output=folder / "out"
    )
    return made


def outcome(deployment: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the generated tests as its people do; this package is there for want of the wheel."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=deployment,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_generated_tests_pass_against_the_generated_service(deployment: Path) -> None:
    result = outcome(deployment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^1[0-9] passed in", result.stdout, re.MULTILINE), result.stdout


def test_they_fail_against_a_server_of_another_title(deployment: Path, server: Server) -> None:
    result = outcome(deployment, SERVICE_URL=server.url)
    assert result.returncode == 1
    failed = re.findall(r"^FAILED \S+::(\w+)", result.stdout, re.MULTILINE)
    assert failed == ["test_openapi_describes_this_models_row"]


def test_they_fail_when_the_model_predicts_something_else(deployment: Path, server: Server) -> None:
    path = deployment / "bundle" / bundle.MANIFEST
    kept = path.read_text()
    manifest = msgspec.json.decode(kept)
    manifest["golden"]["predictions"][0] += 1
    path.write_bytes(msgspec.json.encode(manifest))
    try:
        result = outcome(deployment, SERVICE_URL=server.url)
    finally:
        path.write_text(kept)
    failed = set(re.findall(r"^FAILED \S+::(\w+)", result.stdout, re.MULTILINE))
    assert {
        "test_every_golden_row_gets_its_golden_prediction",
        "test_one_valid_row_is_answered_as_its_type_says",
        "test_v1_predicts_the_same",
        "test_no_file_is_missing_and_the_bundle_is_the_one_that_was_generated",
    } <= failed
