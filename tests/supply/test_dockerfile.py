"""What the Dockerfile says of the image that comes of it."""

import re
import tomllib

import pytest

from tests.paths import ROOT

LABEL = re.compile(r'(org\.opencontainers\.image\.\w+)="([^"]*)"')
MAKES_A_LAYER = {"RUN", "COPY", "ADD", "WORKDIR"}


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    """Return the instructions of the last stage, a line each."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", "").splitlines() if line]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    return lines[starts[-1] :]


@pytest.fixture(scope="module")
def labels(instructions: list[str]) -> dict[str, str]:
    found = [LABEL.findall(line) for line in instructions if line.startswith("LABEL ")]
    prefix = len("org.opencontainers.image.")
    return {name[prefix:]: value for line in found for name, value in line}


def test_the_labels_say_what_the_package_says_of_itself(labels: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["title"] == project["name"]
    assert labels["description"] == project["description"]
    assert labels["licenses"] == project["license"]


def test_version_and_revision_are_arguments_that_may_be_left_out(
    instructions: list[str], labels: dict[str, str]
) -> None:
    arguments = [line.removeprefix("ARG ") for line in instructions if line.startswith("ARG ")]
    assert arguments == ["VERSION=unknown", "REVISION=unknown"]
    assert (labels["version"], labels["revision"]) == ("${VERSION}", "${REVISION}")


def test_a_new_revision_leaves_every_layer_in_the_cache(instructions: list[str]) -> None:
    words = [line.split()[0] for line in instructions]
    assert set(words[: words.index("ARG")]) >= {"RUN", "COPY"}
    assert not set(words[words.index("ARG") :]) & MAKES_A_LAYER


def test_no_label_tells_a_time_or_an_address(labels: dict[str, str]) -> None:
    assert set(labels) == {"title", "description", "licenses", "version", "revision"}
    assert not any("://" in value for value in labels.values())
