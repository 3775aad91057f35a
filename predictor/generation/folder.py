"""Writing a folder anew, without a person's own work being lost.

The manifest of the last time tells what was generated: a file of another digest was changed by
somebody. It is kept, unless told otherwise, and what is generated for it now is written nowhere.
"""

import difflib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec

from predictor.errors import JSON_ERRORS, ExperimentError
from predictor.generation.files import (
    BUNDLE,
    DEPLOYMENT_MANIFEST,
    DeploymentManifest,
    Files,
    digest,
    encoded,
)

SHOWN_LINES = 12
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Conflict:
    """A changed file for which something else is generated now than before, if it was at all."""

    path: str
    before: str
    yours: bytes
    now: bytes

    def __str__(self) -> str:
        before = f"SHA-256 {self.before[:SHOWN_DIGITS]}" if self.before else "nothing"
        lines = [
            f"{self.path}: kept as it is, though something else is generated now",
            f"  generated before: {before}",
            f"  yours:            SHA-256 {digest(self.yours)[:SHOWN_DIGITS]}",
            f"  generated now:    SHA-256 {digest(self.now)[:SHOWN_DIGITS]}",
            *(f"  {line}" for line in self._difference()),
        ]
        return "\n".join(lines)

    def _difference(self) -> list[str]:
        """Return the first lines of what differs; nothing of what is no text."""
        try:
            yours, now = self.yours.decode().splitlines(), self.now.decode().splitlines()
        except UnicodeDecodeError:
            return []
        found = list(difflib.unified_diff(yours, now, "yours", "generated now", n=1, lineterm=""))
        more = len(found) - SHOWN_LINES
        return found[:SHOWN_LINES] + ([f"… and {more} lines more"] if more > 0 else [])


@dataclass(frozen=True)
class Change:
    """What becomes of a folder.

    `written` are the files that are new or another, `removed` those that are generated no more,
    `kept` those that somebody changed, and `conflicts` those among them to decide on.
    """

    written: Files = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


class _Listed(msgspec.Struct):
    files: dict[str, str]


def write(
    folder: Path,
    files: Mapping[str, bytes],
    manifest: DeploymentManifest,
    *,
    is_forced: bool = False,
) -> Change:
    """Write files into a folder, and the manifest of them last.

    All is decided and written beside the folder first: what cannot be done leaves it as it was.
    Raises ExperimentError when `folder` is something else, or its bundle was changed.
    """
    try:
        before = _listed(folder)
        _refuse_links(folder, {*before, *files})
        change = _compare(folder, files, before, is_forced=is_forced)
        _list(folder, manifest, before, change)
        _apply(folder, change)
    except OSError as error:
        message = f"cannot write {error.filename or folder}: {error.strerror}"
        raise ExperimentError(message) from error
    return change


def _listed(folder: Path) -> dict[str, str]:
    """Return the digests of what was generated before; raises ExperimentError without a list."""
    path = folder / DEPLOYMENT_MANIFEST
    content = _content(path)
    if content is None:
        if folder.exists() and any(folder.iterdir()):
            message = f"{folder} has files, but no {DEPLOYMENT_MANIFEST}: choose another folder"
            raise ExperimentError(message)
        return {}
    try:
        files = msgspec.json.decode(content, type=_Listed).files
    except JSON_ERRORS as error:
        message = f"{path} cannot be read: {error}; restore it, or choose another folder"
        raise ExperimentError(message) from error
    for name in files:
        if not _is_inside(name):
            message = (
                f"{path} lists {name!r}, which is no path of a file in its folder: restore it, or "
                "choose another folder"
            )
            raise ExperimentError(message)
    return files


def _is_inside(name: str) -> bool:
    """Tell whether a name is written as a file's path below a folder is."""
    path = PurePosixPath(name)
    is_normal = path.as_posix() == name and name.isprintable() and "\\" not in name
    return is_normal and bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Raise ExperimentError when a folder below `folder` is a link, which may lead out of it."""
    parents = {parent for name in names for parent in PurePosixPath(name).parents}
    for parent in sorted(parents - {PurePosixPath()}):
        path = folder / parent
        if path.is_symlink():
            message = f"{path} is a link, which is not followed: put a folder there, or remove it"
            raise ExperimentError(message)


def _compare(
    folder: Path, files: Mapping[str, bytes], before: Mapping[str, str], *, is_forced: bool
) -> Change:
    change = Change()
    for path, now in files.items():
        there, base = _content(folder / path), before.get(path, "")
        if there == now:
            continue
        if there is None or is_forced or digest(there) == base:
            change.written[path] = now
            continue
        if path.startswith(BUNDLE):
            message = (
                f"{folder / path} was changed, and a bundle is served as a whole: hand the model "
                "over by the experiment's manifest, or replace it by --force"
            )
            raise ExperimentError(message)
        change.kept.append(path)
        if digest(now) != base:
            change.conflicts.append(Conflict(path, base, there, now))
    for path in before.keys() - files.keys():
        there = _content(folder / path)
        if there is not None:
            is_ours = is_forced or digest(there) == before[path]
            (change.removed if is_ours else change.kept).append(path)
    return change


def _list(
    folder: Path, manifest: DeploymentManifest, before: Mapping[str, str], change: Change
) -> None:
    """Add the manifest to what is written, if it is another.

    It lists a file in conflict as it was generated before, so that the next run tells of it too.
    """
    digests = dict(manifest.files)
    for conflict in change.conflicts:
        digests.pop(conflict.path)
        if conflict.path in before:
            digests[conflict.path] = before[conflict.path]
    listed = msgspec.structs.replace(manifest, files=dict(sorted(digests.items())))
    if _content(folder / DEPLOYMENT_MANIFEST) != encoded(listed):
        change.written[DEPLOYMENT_MANIFEST] = encoded(listed)


def _apply(folder: Path, change: Change) -> None:
    if not change.written and not change.removed:
        return
    target = folder.resolve()  # what a link leads to, not the link
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        new = Path(scratch, "new")
        for path, content in change.written.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content)
        if not target.exists() or not any(target.iterdir()):
            new.replace(target)
            return
        for path in change.written:  # the manifest comes last
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).replace(target / path)
    for path in change.removed:
        (target / path).unlink()
        _remove_empty((target / path).parent, target)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _content(path: Path) -> bytes | None:
    """Return what is in a file, if it is there; raises ExperimentError when it is no file.

    Of a link that leads nowhere it is the path that it leads to: somebody has put it there.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return os.fsencode(path.readlink()) if path.is_symlink() else None
    except OSError as error:
        message = f"{path} is in the way: {os.strerror(error.errno or 0)}"
        raise ExperimentError(message) from error
