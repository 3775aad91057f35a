"""What the pages say with kubectl and helm, command by command as a reader does."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.commands.checkout import checkout, environment
from tests.docs.commands.pages import BLOCKS, Command
from tests.docs.commands.script import Ports, run, script
from tests.docs.commands.unrun import ON_A_CLUSTER, reason
from tests.e2e.cluster import Namespace, options, wait_for
from tests.e2e.cluster import run as ask
from tests.e2e.conftest import new_namespace
from tests.servers import free_port

# They begin where the chart is installed.
WATCHED = ("docs/dashboards.md", "docs/how-to/watch-for-drift.md", "docs/runbooks.md")
PORTS = ("8080", "8081", "9090")


def there(page: str) -> list[Command]:
    """Return the commands of a page that are run on a cluster."""
    found = [it for it in BLOCKS if it.page == page and it.is_of_a_cluster]
    return [command for block in found for command in block.commands if not reason(command)]


def context(namespace: Namespace, file: Path) -> dict[str, str]:
    """Return what makes the namespace that of commands which name none."""
    file.write_text(ask("kubectl", "config", "view", "--raw", "--flatten"))
    of = f"--kubeconfig={file}"
    ask("kubectl", "config", of, "set-context", "--current", f"--namespace={namespace.name}")
    return {"KUBECONFIG": str(file)}


def helm_with(image: str, program: Path) -> None:
    """Put a helm on the way that installs an image of this cluster, in pods which fit on it."""
    with_image = shlex.join(options(image))
    program.write_text(
        f'#!/bin/sh\ncase $1 in install|upgrade) set -- "$@" {with_image} ;; esac\n'
        f'exec {shutil.which("helm")} "$@"\n'
    )
    program.chmod(0o755)


def is_measured(namespace: Namespace) -> bool:
    """Whether `kubectl top` has something to show, which takes metrics-server a while."""
    command = ["kubectl", "--namespace", namespace.name, "top", "pods"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", ON_A_CLUSTER)
def test_the_commands_of_a_page_go_well_on_a_cluster(
    page: str, image: str, bundle_folder: Path, tmp_path: Path
) -> None:
    folder = checkout(tmp_path / "energy-predictor", bundle_folder)
    helm_with(image, folder / ".programs" / "helm")
    ports = Ports({name: free_port() for name in PORTS})
    with new_namespace() as namespace:
        if page in WATCHED:
            namespace.install(image, {"podMonitor.enabled": "true"})
            wait_for(lambda: is_measured(namespace), "metrics-server to measure the pods")
        text = script(there(page), ports, {"-n plant": f"-n {namespace.name}"})
        run(text, folder, environment(folder) | context(namespace, tmp_path / "kubeconfig"))
