import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import image
from tests.image.container import Container
from tests.image.container import of as container_of
from tests.missing import missing
from tests.paths import ROOT


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", help="oci-archive:FILE, or as `make image-size` takes it")
    parser.addoption("--batch-image", help="the image that scores files, in the same way")


@pytest.fixture(scope="session")
def image_name(request: pytest.FixtureRequest) -> str:
    name: str | None = request.config.getoption("--image")
    return name or missing("no image is named: make image-test IMAGE=oci-archive:FILE")


@pytest.fixture(scope="session")
def built(image_name: str) -> image.Image:
    [found] = image.read(image_name)
    return found


@pytest.fixture(scope="session")
def container(image_name: str) -> Iterator[Container]:
    with container_of(image_name) as found:
        yield found


@pytest.fixture(scope="session")
def components(image_name: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what `make sbom` finds in the image."""
    if not shutil.which("go"):
        missing("go is not installed, which brings syft")
    path = tmp_path_factory.mktemp("sbom") / "new" / "image.cdx.json"
    result = make("sbom", f"IMAGE={image_name}", f"SBOM={path}")
    assert result.returncode == 0, result.stderr
    bom = json.loads(path.read_text())
    assert bom["bomFormat"] == "CycloneDX"
    found: list[dict[str, Any]] = bom["components"]
    return found


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def batch_name(request: pytest.FixtureRequest) -> str:
    name: str | None = request.config.getoption("--batch-image")
    return name or missing("no image that scores files is named: make batch-image")


@pytest.fixture(scope="module")
def batch_built(batch_name: str) -> image.Image:
    [found] = image.read(batch_name)
    return found


@pytest.fixture(scope="module")
def batch_container(batch_name: str) -> Iterator[Container]:
    with container_of(batch_name) as found:
        yield found
