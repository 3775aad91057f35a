"""What is taken out of serving's libraries, and what says so when they have changed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from requirements import slim
from tests.missing import missing
from tests.paths import ROOT

COMPILED = "uvloop/loop.so"
KEPT = (
    "onnxruntime/__init__.py",
    "onnxruntime/LICENSE",
    "onnxruntime/capi/onnxruntime_pybind11_state.so",
    "numpy/linalg/__init__.py",
    "_cffi_backend.so",
    "cffi-2.1.1.dist-info/METADATA",
)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder that has a file for every pattern, and others."""
    if not shutil.which("strip") or not shutil.which("cc"):
        missing("strip and cc are not installed, which binutils and gcc have")
    for pattern in (*KEPT, *(p for found in slim.UNUSED.values() for p in found)):
        path = tmp_path / pattern.replace("**", "numpy/deep").replace("*", "1")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    library = compiled(tmp_path)
    for pattern in slim.WITH_SYMBOLS:
        path = tmp_path / pattern.replace("*", "loop")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, path)
    library.unlink()
    return tmp_path


def compiled(folder: Path) -> Path:
    """Return a library that holds what a debugger reads."""
    source, library = folder / "one.c", folder / "one.so"
    source.write_text("int one(void) { return 1; }")
    subprocess.run(["cc", "-g", "-shared", "-fPIC", "-o", library, source], check=True)
    source.unlink()
    return library


def sections(library: Path) -> str:
    command = ["readelf", "--section-headers", "--wide", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_left_but_what_servers_run(packages: Path) -> None:
    slim.slim(packages)
    stripped = {pattern.replace("*", "loop") for pattern in slim.WITH_SYMBOLS}
    assert files(packages) == {*KEPT, *stripped}


def test_symbols_for_a_debugger_are_gone_and_those_for_the_linker_are_not(packages: Path) -> None:
    assert ".debug_info" in sections(packages / COMPILED)
    slim.slim(packages)
    found = sections(packages / COMPILED)
    assert ".debug_info" not in found
    assert ".symtab" not in found
    assert ".dynsym" in found


@pytest.mark.parametrize("reason", slim.UNUSED)
def test_a_reason_that_no_file_has_any_more_is_an_error(packages: Path, reason: str) -> None:
    for pattern in slim.UNUSED[reason]:
        for path in list(packages.glob(pattern)):
            path.unlink()
    with pytest.raises(slim.NothingFoundError, match=r"mend the list in requirements/slim\.py"):
        slim.slim(packages)


def test_the_script_ends_the_build_with_the_reason(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "requirements" / "slim.py"), str(tmp_path)]
    result = subprocess.run(script, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "ONNX Runtime a second time" in result.stderr


def test_what_serves_uses_no_module_that_is_taken_out() -> None:
    """`np.random` is loaded by its name, at the first use: no start of a server would tell."""
    served = [*ROOT.glob("predictor/*.py"), *ROOT.glob("predictor/serving/**/*.py")]
    dropped = re.compile(r"\b(?:np|numpy)\.(?:fft|ma|polynomial|random)\b")
    assert "numpy/random" in (ROOT / "requirements" / "slim.py").read_text()
    assert [file.name for file in served if dropped.search(_code(file))] == []


def _code(file: Path) -> str:
    """Return a module without its comments."""
    return "\n".join(line.partition("#")[0] for line in file.read_text().splitlines())
