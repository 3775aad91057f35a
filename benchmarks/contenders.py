"""The servers that are compared: how each is installed, started and asked."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ways import COLUMNS, GRPC, MATRIX, OWN, V1, V2

ROOT = Path(__file__).parents[1]
SERVERS = ROOT / "benchmarks" / "servers"
REQUIREMENTS = SERVERS / "requirements"
STAMP = "installed-requirements.txt"
OURS, TWO_WORKERS = "this project", "this project, 2 workers"
LIBRARIES, GRAPH = "the three libraries", "the same graph"


class NotInstalledError(Exception):
    """A server's packages cannot be installed here."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A server. Its command and variables may name {python}, {bin}, {port} and so on.

    The first of `ways` is the main one, asked over each of `connections`. `needs` are settings that
    this project's server may not have; `many` says whether it is asked for many rows too.
    """

    name: str
    runs: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    ways: tuple[str, ...]
    environment: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    connections: tuple[int, ...] = (1, 8, 64)
    many: bool = True

    @property
    def label(self) -> str:
        """The name, with what it runs where that is not clear."""
        return f"{self.name}, {self.runs}" if self.environment else self.name


def _ours(name: str, ways: tuple[str, ...], *, workers: int = 1) -> Contender:
    several = {"WORKERS": str(workers)} if workers > 1 else {}
    return Contender(
        name,
        GRAPH,
        ("uvicorn", "onnxruntime"),
        ("{python}", "-m", "predictor", "serve", "--bundle", "{bundle}"),
        ways,
        variables={"LOG_LEVEL": "WARNING", **several},
        needs=tuple(several),
        connections=(8, 64) if several else (1, 8, 64),
        many=not several,
    )


def _script(
    name: str, runs: str, environment: str, packages: tuple[str, ...], ways: tuple[str, ...]
) -> Contender:
    kind = "native" if runs == LIBRARIES else "onnx"
    script = str(SERVERS / f"{environment}_{kind}.py")
    return Contender(name, runs, packages, ("{python}", script), ways, environment)


CONTENDERS = (
    _ours(OURS, (V1, V2, MATRIX, COLUMNS, GRPC)),
    _ours(TWO_WORKERS, (V1,), workers=2),
    _script(
        "FastAPI and pandas",
        LIBRARIES,
        "fastapi",
        ("fastapi", "uvicorn", "pandas", "xgboost-cpu", "lightgbm", "catboost"),
        (OWN,),
    ),
    _script("KServe SDK", LIBRARIES, "kserve", ("kserve", "uvicorn", "pandas"), (V1,)),
    _script(
        "KServe SDK", GRAPH, "kserve", ("kserve", "onnxruntime"), (V1, V2, MATRIX, COLUMNS, GRPC)
    ),
    Contender(
        "MLServer",
        GRAPH,
        ("mlserver", "uvicorn", "onnxruntime"),
        ("{bin}/mlserver", "start", "{scratch}"),
        (V2, GRPC),
        "mlserver",
        {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{grpc_port}",
            "MLSERVER_METRICS_PORT": "{metrics_port}",
            "MLSERVER_MODEL_NAME": "{model}",
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_onnx.Energy",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_PARALLEL_WORKERS": "0",
        },
    ),
    Contender(
        "BentoML",
        GRAPH,
        ("bentoml", "uvicorn", "onnxruntime"),
        (
            "{bin}/bentoml",
            "serve",
            "bentoml_onnx:Energy",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
        ),
        (OWN,),
        "bentoml",
        {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{scratch}"},
    ),
    _script("LitServe", GRAPH, "litserve", ("litserve", "uvicorn", "onnxruntime"), (OWN,)),
)


def python(contender: Contender, folder: Path) -> Path:
    """Return the interpreter of a contender, installed now under `folder` if it is not there.

    Raises NotInstalledError, saying why.
    """
    if not contender.environment:
        return Path(sys.executable)
    place = folder / contender.environment
    found = place / "bin" / "python"
    wanted = REQUIREMENTS / f"{contender.environment}.txt"
    stamp = place / STAMP
    if not stamp.is_file() or stamp.read_bytes() != wanted.read_bytes():
        if not found.exists():
            _uv("venv", "--quiet", "--python", sys.executable, str(place))
        _uv("pip", "install", "--quiet", "--require-hashes", "-p", str(found), "-r", str(wanted))
        shutil.copyfile(wanted, stamp)
    return found


def _uv(*arguments: str) -> None:
    """Run the uv of the development environment."""
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NotInstalledError(" ".join(ended.stderr.split())[:300])


def versions(interpreter: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions that an environment has of some packages."""
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    command = [str(interpreter), "-c", code, *packages]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(zip(packages, shown.split(), strict=True))
