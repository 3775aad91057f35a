"""A volume as Kubernetes mounts the files of a ConfigMap or a Secret, and changes them."""

import shutil
from pathlib import Path

from predictor import bundle
from predictor.training.pipeline import Trained


class Mounted:
    """A folder whose files are links to `..data/NAME`, and `..data` one to a version's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flips = 0
        path.mkdir()

    def flip(self, trained: Trained, *, keep_old: bool = False) -> None:
        """Change all files at once, as the kubelet does: another folder, and one link renamed."""
        self._flips += 1
        new, data = self.path / f"..2026_11_21_{self._flips}", self.path / "..data"
        old = data.resolve() if data.exists() else None
        bundle.write(new, trained.manifest, trained.files)
        self.turn(new)
        for name in (path.name for path in new.iterdir()):
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        if old and not keep_old:
            shutil.rmtree(old)

    def turn(self, folder: Path) -> None:
        """Let `..data` lead to another folder of the volume, in one step."""
        turned = self.path / "..data_tmp"
        turned.symlink_to(folder.name)
        turned.rename(self.path / "..data")
