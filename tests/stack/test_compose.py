"""The Compose file is what Compose reads, and agrees with what it mounts and starts."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from predictor.serving.settings import NAMES, Settings
from stack.services import CONFIG, PORTS
from tests.missing import missing
from tests.paths import ROOT

# It reads by the specification's own implementation and schema, as `docker compose` does.
READER = ROOT / "tests" / "stack" / "compose"
FILE = ROOT / "compose.yaml"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {"predictor", "permissions"}

Document = dict[str, Any]


def read_as_compose(file: Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("go"):
        missing("go is not installed, which brings the specification's own reader")
    return subprocess.run(
        ["go", "run", ".", str(file)],
        cwd=READER,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> Document:
    """Return the services as Compose reads them."""
    result = read_as_compose(FILE)
    assert result.returncode == 0, result.stderr
    found: Document = json.loads(result.stdout)["services"]
    return found


def mounts(service: Document, kind: str) -> list[Document]:
    return [mount for mount in service.get("volumes", []) if mount["type"] == kind]


def locked(package: str, file: str) -> str:
    text = (ROOT / "requirements" / file).read_text()
    [version] = re.findall(rf"^{package}==(\S+)", text, re.MULTILINE)
    return str(version)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda found: found["services"]["mlflow"].update(prots=[]), "services.mlflow.prots"),
        (lambda found: found["services"]["mlflow"].update(depends_on=["db"]), 'service "db"'),
        (lambda found: found["volumes"].pop("capture"), "undefined volume capture"),
        (
            lambda found: found["services"]["grafana"].update(ports=["x:3000"]),
            "Invalid hostPort: x",
        ),
        (lambda found: found["services"]["grafana"].update(env_file="no.env"), "no.env not found"),
    ],
    ids=["unknown key", "unknown service", "unknown volume", "no port", "no file"],
)
def test_a_file_that_compose_would_refuse_is_refused(
    change: Callable[[Document], object], complaint: str, tmp_path: Path
) -> None:
    document = yaml.safe_load(FILE.read_text())
    change(document)
    shutil.copytree(CONFIG, tmp_path / CONFIG.name)
    file = tmp_path / FILE.name
    file.write_text(yaml.safe_dump(document))
    result = read_as_compose(file)
    assert result.returncode != 0
    assert complaint in result.stderr


def test_the_predictor_alone_is_what_runs_without_a_profile(services: Document) -> None:
    profiles: dict[str, set[str]] = {}
    for name, service in services.items():
        for profile in service.get("profiles", [""]):
            profiles.setdefault(profile, set()).add(name)
    assert profiles == {
        "": OURS,
        "monitoring": {"prometheus", "grafana"},
        "training": {"mlflow", "prefect"},
    }


def test_each_port_is_for_this_machine_alone_and_the_one_that_is_verified(
    services: Document,
) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert {int(port["published"]) for port in ports} == set(PORTS.values())
    assert all(int(port["published"]) == port["target"] for port in ports)
    for name, service in services.items():
        found = {port["target"] for port in service.get("ports", [])}
        names = {"predictor", "grpc"} if name == "predictor" else {name} & PORTS.keys()
        assert found == {PORTS[each] for each in names}


def test_the_predictor_listens_where_its_ports_are_published() -> None:
    found = {name: int(port) for name, port in re.findall(r"\b(\w*PORT)=(\d+)", DOCKERFILE)}
    assert found == {"PORT": PORTS["predictor"], "GRPC_PORT": PORTS["grpc"]}
    assert found == {"PORT": Settings().port, "GRPC_PORT": Settings().grpc_port}


def test_the_predictor_is_set_by_settings_that_it_has_and_folders_that_are_mounted(
    services: Document,
) -> None:
    predictor = services["predictor"]
    assert predictor["environment"].keys() <= set(NAMES)
    mounted = {Path(mount["target"]) for mount in mounts(predictor, "volume")}
    assert Path(predictor["environment"]["BUNDLE"]).parent in mounted
    assert Path(predictor["environment"]["CAPTURE_FOLDER"]) in mounted


def test_the_predictor_has_two_cpus_and_two_gigabytes_and_time_to_drain(
    services: Document,
) -> None:
    predictor = services["predictor"]
    limits = predictor["deploy"]["resources"]["limits"]
    assert (float(limits["cpus"]), int(limits["memory"])) == (2, 2 * 1024**3)
    assert int(predictor["stop_grace_period"].removesuffix("s")) > Settings().drain_seconds


def test_each_is_confined(services: Document) -> None:
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
    assert {name for name, each in services.items() if "cap_add" in each} == {"permissions"}


def test_none_that_listens_is_root(services: Document) -> None:
    """The images of Prometheus and Grafana have users of their own, and volumes of theirs."""
    users = {name: each.get("user", "") for name, each in services.items() if "ports" in each}
    users["predictor"] = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1]
    ours = "10001:10001"
    assert users == {
        "predictor": ours,
        "mlflow": ours,
        "prefect": ours,
        "prometheus": "",
        "grafana": "",
    }


def test_each_volume_that_10001_writes_to_is_given_to_it(services: Document) -> None:
    given = {mount["source"] for mount in mounts(services["permissions"], "volume")}
    written = {
        mount["source"]
        for name in ("predictor", "mlflow", "prefect")
        for mount in mounts(services[name], "volume")
    }
    assert given == written - {"bundles"}
    targets = {mount["target"] for mount in mounts(services["permissions"], "volume")}
    assert services["permissions"]["entrypoint"] == ["chown", "10001:10001", *sorted(targets)]
    for name in ("predictor", "mlflow", "prefect"):
        depends = services[name]["depends_on"]["permissions"]["condition"]
        assert depends == "service_completed_successfully"


def test_the_health_of_each_that_listens_is_looked_at(services: Document) -> None:
    checked = {name for name, each in services.items() if each.get("healthcheck", {}).get("test")}
    assert checked == {name for name, each in services.items() if "ports" in each} - {"predictor"}
    assert re.search(r"^HEALTHCHECK .*CMD", DOCKERFILE, re.MULTILINE)
    for name in checked:
        assert str(PORTS[name]) in services[name]["healthcheck"]["test"][-1]


def test_what_is_mounted_is_there_and_cannot_be_written(services: Document) -> None:
    found = [mount for service in services.values() for mount in mounts(service, "bind")]
    assert len(found) == 3
    for mount in found:
        assert Path(mount["source"]).is_dir()
        assert mount["read_only"]
    files = [file["path"] for each in services.values() for file in each.get("env_file", [])]
    assert len(files) == 3
    assert all(Path(file).is_file() for file in files)


def test_images_of_others_are_pinned_and_those_of_libraries_are_as_locked(
    services: Document,
) -> None:
    images = {name: each["image"] for name, each in services.items() if name not in OURS}
    assert all(re.search(r":v?\d+\.\d+\.\d+(-\w+[\w.]*)?$", image) for image in images.values())
    assert images["mlflow"].endswith(f":v{locked('mlflow', 'dev.txt')}")
    prefect = locked("prefect", "prefect-server.txt")
    assert images["prefect"].partition(":")[2].startswith(f"{prefect}-python")
