import shutil
from pathlib import Path

import pytest

from tests.missing import missing
from tests.scan.scanners import KUBERNETES
from tests.scan.schemas import write_schemas

TOOLS = (
    *("helm", "go", "kube-score", "kubeconform", "pluto"),
    *("bandit", "checkov", "detect-secrets", "hadolint", "kubernetes-validate"),
)


@pytest.fixture(scope="session", autouse=True)
def tools_are_here() -> None:
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        missing(f"not installed, or not run by `make scan`: {', '.join(absent)}")


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the schemas that kubeconform reads."""
    folder = tmp_path_factory.mktemp("schemas")
    for version in KUBERNETES:
        write_schemas(folder, version)
    return folder
