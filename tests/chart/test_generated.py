"""What is generated for a cluster and for others' programs is what these read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from tests.chart.helm import helm
from tests.chart.test_developer_files import SKAFFOLD_MODULE, require_go, run
from tests.golden.made import FOLDERS, every_file
from tests.paths import CHART

COMPOSE_MODULE = "github.com/compose-spec/compose-go/v2@v2.16.2"
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"

each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def module(name: str) -> Path:
    """Return the folder of a Go module."""
    require_go()
    result = run("go", "mod", "download", "-json", name)
    found = json.loads(result.stdout)
    assert result.returncode == 0, found["Error"]
    return Path(found["Dir"])


def load(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "deployment" / name).read_text())
    return found


@each
def test_compose_reads_its_file(folder: Path) -> None:
    schema = json.loads((module(COMPOSE_MODULE) / "schema" / "compose-spec.json").read_bytes())
    validator = Draft202012Validator(schema)
    document = load(folder, "compose.yaml")
    assert [error.message for error in validator.iter_errors(document)] == []
    document["services"]["predictor"]["prots"] = []
    assert not validator.is_valid(document)


@each
def test_skaffold_reads_its_file(folder: Path) -> None:
    path = module(SKAFFOLD_MODULE) / "docs-v2" / "content" / "en" / "schemas" / "v4beta14.json"
    validator = Draft7Validator(json.loads(path.read_bytes()))
    errors = [error.message for error in validator.iter_errors(load(folder, "skaffold.yaml"))]
    assert errors == []


@each
def test_github_reads_the_workflow(folder: Path) -> None:
    require_go()
    workflow = folder / "deployment" / ".github" / "workflows" / "ci.yaml"
    result = run("go", "run", ACTIONLINT, "-shellcheck=", "-pyflakes=", str(workflow))
    assert result.returncode == 0, result.stdout + result.stderr


@each
def test_the_chart_takes_the_values(folder: Path) -> None:
    values = folder / "deployment" / "values.yaml"
    result = helm("lint", str(CHART), "--strict", "--values", str(values))
    assert result.returncode == 0, result.stdout


@each
def test_the_manifests_run_the_models_image_and_the_rules_watch_drift_if_asked(
    folder: Path,
) -> None:
    files = every_file(folder)
    values = load(folder, "values.yaml")
    image = f"{values['image']['repository']}:{values['image']['tag']}"
    manifests = [text.decode() for name, text in files.items() if name.startswith("manifests/")]
    assert [f'image: "{image}"' in text for text in manifests] == [True, True]
    rules = yaml.safe_load(files["monitoring/prometheus/rules/predictor.yaml"])
    names = {group["name"] for group in rules["groups"]}
    assert "predictor-availability" in names
    assert ("predictor-drift" in names) == values["drift"]["enabled"]
