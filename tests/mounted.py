"""Folders that a bundle is put into while it is served, as people and as Kubernetes do it."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

# Writes a bundle, or what is none, to a folder that is not there yet.
Write = Callable[[Path], None]


class Plain:
    """A folder into which a bundle is copied file by file, over the one that is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def put(self, write: Write) -> None:
        """Copy a bundle; what the folder has more is removed."""
        new = self.path.with_name("new")
        write(new)
        names = {path.name for path in new.iterdir()}
        for path in self.path.iterdir():
            if path.name not in names:
                path.unlink()
        for name in sorted(names):
            shutil.copyfile(new / name, self.path / name)
        shutil.rmtree(new)


class Mounted:
    """A folder whose files are links to `..data/NAME`, and `..data` one to a version's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = count(1)
        path.mkdir()

    def put(self, write: Write, *, keep_old: bool = False) -> None:
        """Change all files at once, as the kubelet does: another folder, and one link renamed."""
        new, data = self.path / f"..2026_11_21_{next(self._numbers)}", self.path / "..data"
        old = data.resolve() if data.exists() else None
        write(new)
        turned = self.path / "..data_tmp"
        turned.symlink_to(new.name)
        turned.rename(data)
        for path in new.iterdir():
            if not (self.path / path.name).is_symlink():
                (self.path / path.name).symlink_to(f"..data/{path.name}")
        if old and not keep_old:
            shutil.rmtree(old)
