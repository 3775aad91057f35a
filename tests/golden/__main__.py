"""Writes the golden folders anew: python -m tests.golden. Look at the difference."""

import shutil

from tests.golden.made import FOLDERS, made

for folder in FOLDERS:
    shutil.rmtree(folder / "deployment", ignore_errors=True)
    for name, content in made(folder).items():
        path = folder / "deployment" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
