"""The package's serving part as a wheel, made of the files that are installed.

So a folder can be installed where this package is in no index. It is one of the package's own
version, with the local part `serve`; its dependencies are in the lock file, with their hashes. The
same files make the same bytes: they are stored, for compression differs between builds of zlib.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping

from predictor import __version__

VERSION = f"{__version__}+serve"
NAME = f"energy_predictor-{VERSION}-py3-none-any.whl"
INFO = f"energy_predictor-{VERSION}.dist-info"
METADATA = f"""\
Metadata-Version: 2.4
Name: energy-predictor
Version: {VERSION}
Summary: Serve a bundle: the part of energy-predictor that a server needs
License-Expression: Apache-2.0
Requires-Python: >=3.11
"""
WHEEL = """\
Wheel-Version: 1.0
Generator: predictor generate
Root-Is-Purelib: true
Tag: py3-none-any
"""
ENTRY_POINTS = "[console_scripts]\npredictor = predictor.cli:main\n"
# A zip file knows no earlier time.
EPOCH = (1980, 1, 1, 0, 0, 0)


def wheel(files: Mapping[str, bytes]) -> bytes:
    """Return a wheel of a package's files."""
    info = {"METADATA": METADATA, "WHEEL": WHEEL, "entry_points.txt": ENTRY_POINTS}
    every = dict(files) | {f"{INFO}/{name}": text.encode() for name, text in info.items()}
    every[f"{INFO}/RECORD"] = _record(every).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in every.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def _record(files: Mapping[str, bytes]) -> str:
    lines = [f"{name},{_hash(content)},{len(content)}\n" for name, content in files.items()]
    return "".join(lines) + f"{INFO}/RECORD,,\n"


def _hash(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
