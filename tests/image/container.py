"""Running Python in an image, by docker, podman or buildah."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.missing import missing

CONFINED = ("--rm", "--read-only", "--cap-drop=ALL", "--network=host")


@dataclass(frozen=True)
class Container:
    """What comes before the variables of a process, and between them and Python's arguments."""

    before: tuple[str, ...]
    python: tuple[str, ...]

    def command(self, *arguments: str, **variables: str) -> list[str]:
        """Return the command that runs Python in the image."""
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return [*self.before, *given, *self.python, *arguments]


@contextmanager
def of(image: str) -> Iterator[Container]:
    """Yield how an image is run; only docker and podman make its file system read-only."""
    kind, _, path = image.partition(":")
    if kind not in {"oci-archive", "oci-dir", "docker-archive"}:
        yield _confined("docker", image)
    elif shutil.which("podman"):
        yield _confined("podman", image.replace("oci-dir:", "oci:"))
    elif shutil.which("buildah"):
        name = _said("buildah", "from", image.replace("oci-dir:", "oci:"))
        try:
            yield Container(("buildah", "run", "--isolation=chroot"), (name, "--", "python"))
        finally:
            _said("buildah", "rm", name)
    else:
        missing(f"neither podman nor buildah is installed, which run {path}")


def _confined(tool: str, image: str) -> Container:
    return Container((tool, "run", *CONFINED), ("--entrypoint=python", image))


def _said(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.strip()
