"""What is on the cluster before a page's first command, and what stands for the page's names."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests import deployer
from tests.e2e.cluster import Namespace, Object, Values, wait_for
from tests.paths import ROOT

# The names that a page has for what a test makes or writes, with the test's.
Replaced = Mapping[str, str]
CLOUD = "docs/clouds/gke-values.yaml"
SCRAPED = {"podMonitor.enabled": "true"}
ONE_POD = {"autoscaling.minReplicas": "1", "autoscaling.maxReplicas": "1"}


def nothing(_: Namespace, __: Path) -> Replaced:
    """Make nothing more: the page brings all that it names."""
    return {}


@dataclass(frozen=True)
class Stand:
    """What there is: a release or none, what is made in the folder, what helm is told of."""

    installed: Values | None = None
    begin: Callable[[Namespace, Path], Replaced] = nothing
    values: Values = field(default_factory=dict)
    level: str = "restricted"


def production(_: Namespace, folder: Path) -> Replaced:
    """Write values of the reader's own."""
    (folder / "production.yaml").write_text("logLevel: WARNING\n")
    return {}


def pictures(_: Namespace, folder: Path) -> Replaced:
    """Let pictures be drawn beside the checkout's own."""
    (folder / "docs").unlink()
    (folder / "docs").mkdir()
    return {}


def account(namespace: Namespace, folder: Path) -> Replaced:
    """Write the account of the namespace, values that suit any node, and keys."""
    text = deployer.FILE.read_text().replace("namespace: energy", f"namespace: {namespace.name}")
    text = text.replace("\n  name: energy\n", f"\n  name: {namespace.name}\n")
    (folder / "account.yaml").write_text(text)
    values = yaml.safe_load((ROOT / CLOUD).read_text())
    del values["image"], values["nodeSelector"]
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    (folder / "keys").write_text("billing a-key-of-the-billing-system\n")
    return {str(deployer.FILE.relative_to(ROOT)): "account.yaml", CLOUD: "values.yaml"}


def account_with_keys(namespace: Namespace, folder: Path) -> Replaced:
    """Have the Secret there, too, that the values name."""
    replaced = account(namespace, folder)
    keys = f"--from-file={folder / 'keys'}"
    namespace.kubectl("create", "secret", "generic", "energy-keys", keys)
    return replaced


def restarted(namespace: Namespace, _: Path) -> Replaced:
    """End a pod's server, so that there is a log of the one before, and measure the new one."""
    namespace.execute("sh", "-c", "kill 1")
    wait_for(lambda: _container(namespace)["restartCount"] > 0, "the container to be restarted")
    wait_for(lambda: bool(_container(namespace)["ready"]), "the container to be ready again")
    since = _container(namespace)["state"]["running"]["startedAt"]
    wait_for(lambda: _is_measured(namespace, since), "metrics-server to measure the pod")
    [pod] = namespace.pods()
    return {" POD ": f" {pod['metadata']['name']} "}


def _container(namespace: Namespace) -> Object:
    [pod] = namespace.pods()
    [status] = pod["status"]["containerStatuses"]
    return dict(status)


def _is_measured(namespace: Namespace, since: str) -> bool:
    """Whether `kubectl top` has a measurement of what has run since then."""
    command = ["kubectl", "--namespace", namespace.name, "get", "pods.metrics.k8s.io"]
    answer = subprocess.run([*command, "--output=json"], capture_output=True, check=False)
    if answer.returncode:
        return False
    return any(found["timestamp"] > since for found in json.loads(answer.stdout)["items"])


# Of the pages that need more than a namespace.
STANDS = {
    "docs/clouds/kubernetes.md": Stand(begin=account),
    "docs/dashboards.md": Stand(SCRAPED, pictures),
    # Its pod says nothing of how it is secured.
    "docs/how-to/call-from-inside-the-cluster.md": Stand({}, level="baseline"),
    "docs/how-to/deploy-from-ci.md": Stand(begin=account_with_keys),
    "docs/how-to/deploy-from-python.md": Stand(begin=production),
    "docs/how-to/explain-on-kserve.md": Stand(values=ONE_POD),
    "docs/how-to/watch-for-drift.md": Stand(SCRAPED),
    "docs/runbooks.md": Stand({**SCRAPED, **ONE_POD}, restarted),
}
