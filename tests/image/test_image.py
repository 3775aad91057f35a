"""What an image holds, without a cluster: `make image-test IMAGE=…`."""

import re
import tomllib
from typing import Any

from benchmarks.image import Image
from predictor import __version__
from tests.paths import ROOT

OWN_MEGABYTES = 140
TRAINERS = {"xgboost", "xgboost-cpu", "lightgbm", "catboost", "onnx", "pandas", "spox", "tqdm"}


def locked() -> dict[str, str]:
    """Return the versions of serving's libraries for the base's Python, 3.11."""
    text = (ROOT / "requirements" / "serve.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.*?))? *\\$", text, re.MULTILINE)
    return {name: version for name, version, marker in pins if ">= '3.12'" not in marker}


def found(components: list[dict[str, Any]], kind: str) -> dict[str, str]:
    """Return the versions of the packages of a kind: `pypi` or `deb`."""
    return {
        component["name"].lower(): component["version"]
        for component in components
        if component.get("purl", "").startswith(f"pkg:{kind}/")
    }


def test_the_labels_say_which_version_and_revision_it_is(built: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in built.labels.items()
        if name.startswith("org.opencontainers.image.")
    }
    assert re.fullmatch("[0-9a-f]{40}", labels.pop("revision"))
    assert labels == {
        "title": project["name"],
        "description": project["description"],
        "licenses": project["license"],
        "version": __version__,
    }


def test_what_lies_on_the_base_is_small(built: Image) -> None:
    last_stage = (ROOT / "Dockerfile").read_text().rsplit("\nFROM ", 1)[1]
    own = built.layers[-len(re.findall("^(?:COPY|RUN) ", last_stage, re.MULTILINE)) :]
    assert "/opt/venv" in own[0].made_by
    assert sum(layer.size for layer in own) < OWN_MEGABYTES * 1_000_000


def test_the_sbom_has_every_library_of_the_lock_file(components: list[dict[str, Any]]) -> None:
    packages, wanted = found(components, "pypi"), locked()
    assert len(wanted) > 20
    assert "onnxruntime" in wanted
    assert {name: packages.get(name) for name in wanted} == wanted


def test_the_sbom_has_the_packages_of_the_base(components: list[dict[str, Any]]) -> None:
    packages = found(components, "deb")
    assert {"libc6", "libssl3"} <= set(packages) or {"libc6", "libssl3t64"} <= set(packages)


def test_the_sbom_has_no_library_that_trains(components: list[dict[str, Any]]) -> None:
    assert not TRAINERS & set(found(components, "pypi"))
