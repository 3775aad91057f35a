"""Every scanner over the chart's profiles and the code: nothing, but for the exceptions."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import deployer
from tests.paths import CHART, ROOT
from tests.scan import scanners
from tests.scan.exceptions import EXCEPTIONS, uncovered
from tests.scan.profiles import PLAIN, PROFILES, as_job, installed, render, write
from tests.scan.scanners import Finding

SCANNERS = (
    *("kube-score", "checkov", "kubeconform", "pluto"),
    *("hadolint", "bandit", "detect-secrets", "grafana"),
)


def write_others(folder: Path) -> None:
    """Write what is not the chart's: the values for clouds rendered, and objects by hand."""
    clouds = ROOT / "docs" / "clouds"
    for cloud in ("gke", "eks", "aks"):
        (folder / f"{cloud}.yaml").write_text(render(clouds / f"{cloud}-values.yaml", cloud))
    for file in (clouds / "gateway.yaml", deployer.FILE):
        shutil.copy(file, folder)


def tracked() -> list[str]:
    """Return the files that Git knows."""
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    return result.stdout.decode().splitlines()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, schemas: Path) -> dict[str, list[Finding]]:
    """Return what each scanner finds in all that it knows."""
    every, plain = tmp_path_factory.mktemp("every"), tmp_path_factory.mktemp("plain")
    for profile in PROFILES:
        write(every, profile, installed(profile))
    write_others(every)
    for profile in PLAIN:
        write(plain, profile, [as_job(document) for document in installed(profile)])
    secrets = [*scanners.detect_secrets(every), *scanners.detect_secrets(ROOT, *tracked())]
    return {
        "kube-score": list(scanners.kube_score(plain)),
        "checkov": list(scanners.checkov(plain)),
        "kubeconform": list(scanners.kubeconform(every, schemas)),
        "pluto": list(scanners.pluto(every)),
        "hadolint": list(scanners.hadolint(ROOT / "Dockerfile")),
        "bandit": list(scanners.bandit(ROOT / "predictor")),
        "detect-secrets": secrets,
        "grafana": list(scanners.grafana(CHART / "dashboards")),
    }


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_scanner_finds_nothing_but_the_exceptions(
    scanner: str, found: dict[str, list[Finding]]
) -> None:
    assert uncovered(scanner, found[scanner]) == []


def test_there_are_at_most_five_exceptions_each_with_its_reason() -> None:
    assert len(EXCEPTIONS) <= 5
    assert all(len(exception.reason.split()) > 10 for exception in EXCEPTIONS)


def test_every_exception_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "how-to" / "check-the-chart.md").read_text()
    kept = [
        f"{scanner} {', '.join(f'`{rule}`' for rule in rules)}"
        for exception in EXCEPTIONS
        for scanner, rules in exception.rules.items()
    ]
    assert [rules for rules in kept if rules not in page] == []


def test_no_exception_is_without_need(found: dict[str, list[Finding]]) -> None:
    needless = [
        f"{scanner} {rule}"
        for exception in EXCEPTIONS
        for scanner, rules in exception.rules.items()
        for rule in rules
        if not any(it.rule == rule and exception.covers(scanner, it) for it in found[scanner])
    ]
    assert needless == []
