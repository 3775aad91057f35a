"""Running the real helm on the chart."""

import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from tests.paths import CHART

Objects = dict[str, dict[str, Any]]
Render = Callable[..., Objects]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)


def template(
    *sets: str, release: str = "energy", apis: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Render the chart as for a cluster that has the named types beside Kubernetes' own."""
    options = [option for value in sets for option in ("--set", value)]
    options += [f"--api-versions={api}" for api in apis]
    return helm("template", release, str(CHART), "--namespace", "plant", *options)


def named(rendered: str, kind: str) -> Objects:
    """Return the objects of one kind by their names."""
    found = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] == kind]
    return {one["metadata"]["name"]: one for one in found}
