"""What each scanner finds, in one form. Nothing in what is scanned can silence one."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scan.schemas import LOCATION

# The oldest Kubernetes that the chart takes, and the newest that there are schemas of.
KUBERNETES = ("1.30.0", "1.37.0")


@dataclass(frozen=True)
class Finding:
    """What breaks a rule: its place is a file or a profile, and a line or an object of it."""

    rule: str
    place: str
    text: str


def answer(*command: str, cwd: Path | None = None) -> Any:  # noqa: ANN401 - each has a form of its own
    """Return the JSON that a scanner prints, whether it finds something or not."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert result.stdout.strip(), f"{command[0]} ended with {result.returncode}: {result.stderr}"
    return json.loads(result.stdout)


def kube_score(folder: Path) -> Iterator[Finding]:
    """Find what its checks call critical, and what they warn of."""
    options = ("--disable-ignore-checks-annotations", "--output-format", "json")
    for file in sorted(folder.iterdir()):
        for card in answer("kube-score", "score", *options, str(file)):
            place = f"{file.stem} {card['type_meta']['kind']}/{card['object_meta']['name']}"
            for check in card["checks"]:
                if not check["skipped"] and check["grade"] < 10:
                    said = "; ".join(comment["summary"] for comment in check["comments"])
                    yield Finding(check["check"]["id"], place, said)


def checkov(folder: Path) -> Iterator[Finding]:
    """Find what fails its checks of Kubernetes."""
    options = ("--framework", "kubernetes", "--skip-download", "--compact", "--output", "json")
    results = answer("checkov", "--directory", str(folder), *options)["results"]
    for check in results["failed_checks"] + results["skipped_checks"]:
        kind, _, name = check["resource"].split(".")[:3]
        place = f"{Path(check['file_path']).stem} {kind}/{name}"
        yield Finding(check["check_id"], place, check["check_name"])


def kubeconform(folder: Path, schemas: Path) -> Iterator[Finding]:
    """Find what is not as a schema has it, in the oldest Kubernetes or in the newest."""
    for version in KUBERNETES:
        options = ("-strict", "-kubernetes-version", version, "-output", "json")
        location = ("-schema-location", str(schemas / LOCATION))
        for found in answer("kubeconform", *options, *location, str(folder))["resources"]:
            place = f"{Path(found['filename']).stem} {found['kind']}/{found['name']}"
            yield Finding(found["status"], place, found["msg"])


def pluto(folder: Path) -> Iterator[Finding]:
    """Find what is of a version of an API that is deprecated, or gone, in the newest Kubernetes."""
    options = ("--target-versions", f"k8s=v{KUBERNETES[-1]}", "--output", "json")
    found = answer("pluto", "detect-files", "--directory", str(folder), *options)
    for item in found.get("items", []):
        place = f"{Path(item['filePath']).stem} {item['api']['kind']}/{item['name']}"
        yield Finding(item["api"]["version"], place, f"use {item['api']['replacement-api']}")


def hadolint(dockerfile: Path) -> Iterator[Finding]:
    """Find what its rules, and ShellCheck's, say against a Dockerfile."""
    options = ("--disable-ignore-pragma", "--format", "json")
    lines = dockerfile.read_text().splitlines()
    for found in answer("hadolint", *options, str(dockerfile)):
        above = [line for line in lines[: found["line"]] if line.startswith("FROM ")]
        stage = above[-1].partition(" AS ")[2] or "image"
        yield Finding(found["code"], f"{stage}:{found['line']}", found["message"])


def bandit(folder: Path) -> Iterator[Finding]:
    """Find insecure Python, of any severity."""
    found = answer("bandit", "-r", "-q", "-f", "json", "--ignore-nosec", ".", cwd=folder)
    assert found["errors"] == []
    for issue in found["results"]:
        place = f"{issue['filename']}:{issue['line_number']}"
        yield Finding(issue["test_id"], place, issue["issue_text"])


def grafana(folder: Path) -> Iterator[Finding]:
    """Find what Grafana does not know of the dashboards in a folder."""
    python = Path(str(shutil.which("bandit"))).with_name("python")  # which has its library too
    script = Path(__file__).with_name("grafana.py")
    for file in sorted(folder.glob("*.json")):
        for path in answer(str(python), str(script), str(file)):
            yield Finding("unknown", f"{file.name}:{path}", "Grafana has nothing of this name")


def detect_secrets(folder: Path, *files: str) -> Iterator[Finding]:
    """Find lines of some files, or of every file in a folder, that look like secrets."""
    options = ("--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted")
    paths = files or ("--all-files", ".")
    found = answer("detect-secrets", "scan", *options, *paths, cwd=folder)["results"]
    for path, secrets in found.items():
        lines = (folder / path).read_text().splitlines()
        for secret in secrets:
            number = secret["line_number"]
            yield Finding(secret["type"], f"{path}:{number}", lines[number - 1].strip())
