import shutil

import pytest

from tests.missing import missing


@pytest.fixture(scope="session", autouse=True)
def promtool_is_here() -> None:
    if not shutil.which("promtool"):
        missing("promtool is not installed, which is in Debian's package prometheus")
