import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.missing import missing
from tests.paths import CHART, ROOT

SKAFFOLD_MODULE = "github.com/GoogleContainerTools/skaffold/v2@v2.24.0"
INSTALL = ROOT / "manifests" / "prerequisites" / "install"

Document = dict[str, Any]


def require_go() -> None:
    if not shutil.which("go"):
        missing("go is not installed, which brings the schemas of kind and skaffold")


def run(*command: str, cwd: Path = ROOT, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )


def read_as_kind(config: str) -> subprocess.CompletedProcess[str]:
    require_go()
    return run("go", "run", ".", cwd=ROOT / "tests" / "chart" / "kind", stdin=config)


def read_as_bash(script: str) -> subprocess.CompletedProcess[str]:
    return run("bash", "-n", stdin=script)


@pytest.fixture(scope="module")
def skaffold() -> Document:
    document: Document = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    require_go()
    result = run("go", "mod", "download", "-json", SKAFFOLD_MODULE)
    module = json.loads(result.stdout)
    assert result.returncode == 0, module["Error"]
    schemas = Path(module["Dir"], "docs-v2", "content", "en", "schemas")
    return Draft7Validator(json.loads((schemas / "v4beta14.json").read_text()))


def paths(values: Document, above: str = "") -> Iterator[str]:
    """Name every value as `--set` does."""
    for key, value in values.items():
        yield above + key
        if isinstance(value, dict):
            yield from paths(value, f"{above}{key}.")


def values_set_by(skaffold: Document) -> set[str]:
    """Name the values that the releases and the profiles set."""
    releases = skaffold["deploy"]["helm"]["releases"]
    patches = [patch for profile in skaffold["profiles"] for patch in profile["patches"]]
    return {
        *(name for release in releases for name in release.get("setValues", {})),
        *(name for release in releases for name in release.get("setValueTemplates", {})),
        *(name for patch in patches for name in patch["value"]),
    }


def unknown_values(skaffold: Document) -> set[str]:
    """Name the values that skaffold sets and the chart does not have."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return values_set_by(skaffold) - set(paths(values))


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_without_go_the_checks_are_skipped_but_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="go is not installed"):
        require_go()


def test_the_kind_config_is_what_kind_reads() -> None:
    result = read_as_kind((ROOT / "kind-config.yaml").read_text())
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("{apiVersion: kind.x-k8s.io/v1alpha4, kind: Cluster, node: []}", "field node not found"),
        ("{apiVersion: kind.x-k8s.io/v1alpha4, kind: Cluster, nodes: 1}", "cannot unmarshal"),
        ("{apiVersion: kind.x-k8s.io/v1alpha3, kind: Cluster}", "unknown kind"),
    ],
)
def test_a_config_that_kind_would_refuse_is_refused(config: str, complaint: str) -> None:
    result = read_as_kind(config)
    assert result.returncode != 0
    assert complaint in result.stderr


def test_the_skaffold_file_is_what_skaffold_reads(
    schema: Draft7Validator, skaffold: Document
) -> None:
    assert skaffold["apiVersion"] == "skaffold/v4beta14"
    assert [error.message for error in schema.iter_errors(skaffold)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"portForwards": []},
        {"build": {"local": {"push": "no"}}},
        {"resourceSelector": {"allow": [{"labels": [".*"]}]}},
    ],
)
def test_a_skaffold_file_against_the_schema_is_refused(
    schema: Draft7Validator, skaffold: Document, change: Document
) -> None:
    assert not schema.is_valid({**skaffold, **change})


def test_skaffold_sets_only_values_that_the_chart_has(skaffold: Document) -> None:
    assert {"image.repository", "image.tag"} <= values_set_by(skaffold)
    assert unknown_values(skaffold) == set()


def test_skaffold_forwards_the_ports_that_kserves_service_has(skaffold: Document) -> None:
    forwarded = {(port["port"], port["localPort"]) for port in skaffold["portForward"]}
    assert forwarded == {(80, 8080), (8081, 8081)}
    assert {port["resourceName"] for port in skaffold["portForward"]} == {"energy-predictor"}


@pytest.mark.parametrize(
    "change",
    [
        {"deploy": {"helm": {"releases": [{"setValueTemplates": {"image.repo": ""}}]}}},
        {"profiles": [{"patches": [{"value": {"image.repo": True}}]}]},
    ],
)
def test_a_value_that_the_chart_has_not_is_found(skaffold: Document, change: Document) -> None:
    assert unknown_values({**skaffold, **change}) == {"image.repo"}


def test_the_install_script_is_bash_and_can_be_run() -> None:
    assert os.access(INSTALL, os.X_OK)
    result = read_as_bash(INSTALL.read_text())
    assert result.returncode == 0, result.stderr


def test_a_script_that_is_not_bash_is_refused() -> None:
    assert read_as_bash("if true; then").returncode != 0
