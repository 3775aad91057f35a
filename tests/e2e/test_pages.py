"""What the pages say with kubectl and helm, command by command as a reader does."""

import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.commands.checkout import checkout, environment
from tests.docs.commands.local import GRPCURL, follow, here
from tests.docs.commands.pages import Command
from tests.docs.commands.script import Ports, run, script
from tests.docs.commands.sessions import SESSIONS
from tests.docs.commands.unrun import ON_A_CLUSTER, run_of
from tests.e2e.cluster import Namespace, batch_options, options
from tests.e2e.cluster import run as ask
from tests.e2e.conftest import new_namespace
from tests.e2e.stands import STANDS, Replaced, Stand
from tests.e2e.volume import Volume, volume
from tests.missing import missing
from tests.paths import ROOT
from tests.servers import free_port

SCORING = "docs/how-to/score-on-the-cluster.md"
PORTS = ("8080", "8081", "9090")


def there(page: str) -> list[Command]:
    """Return the commands of a page that are run on a cluster."""
    return run_of(page, on_a_cluster=True)


def take_grpcurl(commands: Iterable[Command]) -> bool:
    return any(it.begins(GRPCURL) for it in commands)


def are_possible(commands: Iterable[Command]) -> None:
    """Leave commands to those who have what they take."""
    if take_grpcurl(commands) and not shutil.which(GRPCURL):
        missing("grpcurl is not on the PATH: `make grpcurl` builds it for `make e2e`")


def context(namespace: Namespace, file: Path) -> dict[str, str]:
    """Return what makes the namespace that of commands which name none."""
    file.write_text(ask("kubectl", "config", "view", "--raw", "--flatten"))
    of = f"--kubeconfig={file}"
    ask("kubectl", "config", of, "set-context", "--current", f"--namespace={namespace.name}")
    return {"KUBECONFIG": str(file)}


def names(namespace: Namespace, image: str) -> Replaced:
    """Return what stands for the namespaces and the image of the pages."""
    given = [f"{option} {name}" for option in ("-n", "--namespace") for name in ("plant", "energy")]
    return {
        **dict.fromkeys(given, f"--namespace {namespace.name}"),
        'namespace="plant"': f'namespace="{namespace.name}"',
        ".plant.svc": f".{namespace.name}.svc",
        "--image=energy-predictor:0.1.0": f"--image={image}",
    }


@dataclass(frozen=True)
class Reader:
    """Who has a cluster with the image, a bundle, and an empty folder."""

    image: str
    bundle: Path
    folder: Path

    def follows(self, page: str, stand: Stand, namespace: Namespace) -> None:
        """Run a page's commands in a checkout, and in the namespace."""
        copy = checkout(self.folder / "energy-predictor", self.bundle)
        self._put_helm(copy / ".programs" / "helm", stand)
        if stand.installed is not None:
            namespace.install(self.image, stand.installed)
        replaced = {**names(namespace, self.image), **stand.begin(namespace, copy)}
        ports = Ports({name: free_port() for name in PORTS})
        reached = context(namespace, self.folder / "kubeconfig")
        run(script(there(page), ports, replaced), copy, environment(copy) | reached)

    def _put_helm(self, program: Path, stand: Stand) -> None:
        """Put a helm on the way that installs the cluster's image, in pods which fit on it."""
        sets = shlex.join(options(self.image, stand.values))
        program.write_text(
            f'#!/bin/sh\ncase $1 in install|upgrade) set -- "$@" {sets} ;; esac\n'
            f'exec {shutil.which("helm")} "$@"\n'
        )
        program.chmod(0o755)


@pytest.fixture
def reader(image: str, bundle_folder: Path, tmp_path: Path) -> Reader:
    return Reader(image, bundle_folder, tmp_path)


def test_every_stand_is_of_a_page_that_is_run() -> None:
    assert STANDS.keys() <= set(ON_A_CLUSTER)


@pytest.mark.parametrize("page", [page for page in ON_A_CLUSTER if page != SCORING])
def test_the_commands_of_a_page_go_well_on_a_cluster(page: str, reader: Reader) -> None:
    are_possible(there(page))
    stand = STANDS.get(page, Stand())
    with new_namespace(stand.level) as namespace:
        reader.follows(page, stand, namespace)


def test_files_of_a_volume_are_scored_as_the_page_says(reader: Reader, batch_image: str) -> None:
    with new_namespace() as namespace, volume(batch_image, namespace) as found:
        found.execute("mkdir", f"{found.folder}/2026")
        for month in ("january", "february"):
            found.write(f"2026/{month}.parquet", rows=1000)
        values = {
            **batch_options(batch_image),
            "batch.parallelism": "4",
            "batch.resources.limits.cpu": "1",
        }
        stand = Stand(begin=lambda _, copy: write_values(found, copy), values=values)
        reader.follows(SCORING, stand, namespace)
        assert "2026.parquet" in found.names("scores")


def write_values(found: Volume, folder: Path) -> Replaced:
    """Write the page's own batch.yaml, of the volume's claim."""
    shown = (ROOT / SCORING).read_text().split("```yaml\n# batch.yaml\n")[1].split("```")[0]
    text = shown.replace("claimName: meters", f"claimName: {found.claim}")
    assert text != shown
    (folder / "batch.yaml").write_text(text)
    return {}


@pytest.mark.parametrize("page", [page for page in SESSIONS if take_grpcurl(here(page))])
def test_the_commands_of_a_page_that_take_grpcurl_go_well(
    page: str, bundle_folder: Path, tmp_path: Path
) -> None:
    are_possible(here(page))
    follow(page, here(page), bundle_folder, tmp_path)
