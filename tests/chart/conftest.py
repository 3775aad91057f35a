import shutil

import pytest
import yaml

from tests.chart.helm import Objects, Render, template
from tests.missing import missing


@pytest.fixture(scope="session", autouse=True)
def helm_is_here() -> None:
    if not shutil.which("helm"):
        missing("helm is not installed")


@pytest.fixture(scope="session")
def render() -> Render:
    """Return a function from `--set` options to the rendered objects by kind."""

    def rendered(*sets: str) -> Objects:
        result = template(*sets)
        assert result.returncode == 0, result.stderr
        return {found["kind"]: found for found in yaml.safe_load_all(result.stdout) if found}

    return rendered
