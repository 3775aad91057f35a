"""What runs on one machine: each service's command, its port and where it is healthy."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = Path(__file__).parent
DASHBOARDS = ROOT / "charts" / "energy-predictor" / "dashboards"
HOST = "127.0.0.1"
PORTS = {
    "predictor": 8080,
    "grpc": 8081,
    "mlflow": 5000,
    "prefect": 4200,
    "prometheus": 9090,
    "grafana": 3000,
}
NAMES = tuple(name for name in PORTS if name != "grpc")


class StackError(Exception):
    """A service cannot be started, or is not what it should be."""


@dataclass(frozen=True)
class Service:
    """A program that serves HTTP on a port of this machine, and answers at `health` when it can."""

    name: str
    port: int
    command: tuple[str, ...]
    health: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where it is found."""
        return f"http://{HOST}:{self.port}"

    @property
    def is_at_hand(self) -> bool:
        """Return whether its program is installed."""
        return shutil.which(self.command[0]) is not None


def variables(file: str) -> dict[str, str]:
    """Return what a file of variables holds, which Compose reads too."""
    lines = (CONFIG / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def predictor(bundle: Path, folder: Path, ports: Mapping[str, int]) -> Service:
    """Return the server of a bundle, which captures rows into a folder."""
    environment = {
        "BUNDLE": str(bundle),
        "CAPTURE_FOLDER": str(folder / "capture"),
        "LISTEN_HOST": HOST,
        "PORT": str(ports["predictor"]),
        "GRPC_PORT": str(ports["grpc"]),
    }
    command = (sys.executable, "-m", "predictor", "serve")
    return Service("predictor", ports["predictor"], command, "/v2/health/ready", environment)


def mlflow(folder: Path, port: int) -> Service:
    """Return MLflow's server, which is installed beside this Python."""
    command = (
        *(str(Path(sys.executable).with_name("mlflow")), "server"),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    )
    return Service("mlflow", port, command, "/health", variables("mlflow.env"))


def prefect(folder: Path, port: int, program: Path) -> Service:
    """Return Prefect's server, given its program, which is installed apart from ours."""
    command = (str(program), "server", "start", "--host", HOST, "--port", str(port))
    own = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui")}
    return Service("prefect", port, command, "/api/health", variables("prefect.env") | own)


def prometheus(folder: Path, port: int, predictor_port: int) -> Service:
    """Return Prometheus, with the rules, and configured to read the server on this machine."""
    config = folder / "prometheus.yml"
    text = (CONFIG / "prometheus" / config.name).read_text()
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(text.replace("predictor:8080", f"{HOST}:{predictor_port}"))
    shutil.copy(CONFIG / "prometheus" / "rules.yaml", folder)
    command = (
        *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
        *("--storage.tsdb.retention.time=35d", f"--web.listen-address={HOST}:{port}"),
    )
    return Service("prometheus", port, command, "/-/ready")


def grafana(folder: Path, port: int, prometheus_port: int) -> Service:
    """Return Grafana, with the chart's dashboards, as Debian's package installs it."""
    own = {
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(folder),
        "GF_PATHS_PROVISIONING": str(CONFIG / "grafana"),
        "DASHBOARDS": str(DASHBOARDS),
        "PROMETHEUS": f"http://{HOST}:{prometheus_port}",
    }
    command = ("grafana", "server", "--homepath", "/usr/share/grafana")
    return Service("grafana", port, command, "/api/health", variables("grafana.env") | own)


def all_of(bundle: Path, state: Path, program: Path, ports: Mapping[str, int]) -> list[Service]:
    """Return every service, with its own folder in `state`; `program` is Prefect's."""
    return [
        predictor(bundle, state / "predictor", ports),
        mlflow(state / "mlflow", ports["mlflow"]),
        prefect(state / "prefect", ports["prefect"], program),
        prometheus(state / "prometheus", ports["prometheus"], ports["predictor"]),
        grafana(state / "grafana", ports["grafana"], ports["prometheus"]),
    ]
