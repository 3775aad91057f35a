"""Running the real helm on the chart."""

import subprocess
from collections.abc import Callable
from typing import Any

from tests.paths import CHART

Objects = dict[str, dict[str, Any]]
Render = Callable[..., Objects]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)


def template(*sets: str, release: str = "energy") -> subprocess.CompletedProcess[str]:
    options = [option for value in sets for option in ("--set", value)]
    return helm("template", release, str(CHART), "--namespace", "plant", *options)
