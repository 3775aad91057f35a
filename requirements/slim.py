"""Take out of serving's libraries what no server runs: `slim.py SITE_PACKAGES`.

What is taken is named here with its reason, and nowhere else. A reason under which nothing is found
ends the build, so that none stays when a library has changed. Licences stay, and the metadata by
which an SBOM names every library that was installed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

UNUSED = {
    "ONNX Runtime a second time, for programs in C: the Python module holds the whole of it": (
        "onnxruntime/capi/libonnxruntime.so.*",
    ),
    "what makes, changes and tries models": (
        "onnxruntime/backend",
        "onnxruntime/datasets",
        "onnxruntime/quantization",
        "onnxruntime/tools",
        "onnxruntime/transformers",
    ),
    "what only ONNX Runtime's tools import": (
        "flatbuffers",
        "packaging",
    ),
    "what compiles bindings to C: cryptography imports no more than _cffi_backend": (
        "cffi",
        "pycparser",
    ),
    "mathematics that no server does: the model is in ONNX Runtime": (
        "numpy/fft",
        "numpy/ma",
        "numpy/polynomial",
        "numpy/random",
    ),
    "what compiles against NumPy": (
        "numpy/_core/include",
        "numpy/_core/lib/*.a",
        "numpy/distutils",
        "numpy/f2py",
    ),
    "tests of NumPy": (
        "numpy/testing",
        "numpy/**/tests",
        "numpy/_core/_*_tests.*.so",
        "numpy/_core/_simd.*.so",
    ),
    "another page than the one that the server shows": (
        "fastapi_offline/static/redoc.standalone.js",
    ),
    "what compiled modules were made of": ("**/*.pyx", "**/*.pxd", "**/*.pxi"),
    "types, for those who check code": ("**/*.pyi",),
}

# NumPy's own are left as they are: its wheel moved their parts about, which `strip` may break.
WITH_SYMBOLS = (
    "cryptography/hazmat/bindings/*.so",
    "httptools/parser/*.so",
    "uvloop/*.so",
)


class NothingFoundError(Exception):
    """A library no longer has what was to be taken out of it."""


def slim(packages: Path) -> None:
    """Remove what is unused, and the symbols that only a debugger reads."""
    for reason, patterns in UNUSED.items():
        for path in _found(packages, patterns, reason):
            _remove(path)
    symbols = _found(packages, WITH_SYMBOLS, "symbols for a debugger")
    subprocess.run(["strip", "--strip-unneeded", *symbols], check=True)


def _found(packages: Path, patterns: tuple[str, ...], reason: str) -> list[Path]:
    paths = sorted({path for pattern in patterns for path in packages.glob(pattern)})
    if not paths:
        message = (
            f"{reason}: nothing under {packages} is named {' or '.join(patterns)}; "
            "mend the list in requirements/slim.py"
        )
        raise NothingFoundError(message)
    return paths


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # it may have lain in a folder that is gone


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
