"""The files for clouds, against the schemas that the clouds publish and against our own image."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from predictor.serving import settings
from tests.docs.clouds.files import (
    CLOUDS,
    FILES,
    at,
    complaints,
    containers,
    environment,
    predictor,
    read,
)
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("name", "schema"), [(name, schema) for name, schemas in FILES.items() for schema in schemas]
)
def test_a_file_is_what_the_cloud_takes(name: str, schema: str) -> None:
    assert complaints(schema, read(name)) == []


@pytest.mark.parametrize(
    ("name", "schema", "path", "value"),
    [
        ("cloud-run.yaml", "knative-service", "spec.template.spec.concurrency", 80),
        ("cloud-run.yaml", "knative-service", "spec.template.spec.timeoutSeconds", "thirty"),
        ("cloud-run.yaml", "cloud-run-service", "spec.template.spec.concurrency", 80),
        # Knative takes it, Cloud Run does not.
        ("cloud-run.yaml", "cloud-run-service", "spec.template.spec.enableServiceLinks", False),
        (
            "cloud-run.yaml",
            "cloud-run-service",
            "spec.template.spec.containers.0.securityContext",
            {"runAsUser": 10001},
        ),
        ("ecs-task-definition.json", "ecs-task-definition", "cpus", "256"),
        ("ecs-task-definition.json", "ecs-task-definition", "memory", 512),
        ("ecs-task-definition.json", "ecs-task-definition", "networkMode", "vpc"),
        (
            "ecs-task-definition.json",
            "ecs-task-definition",
            "containerDefinitions.1.readOnlyRootFilesystem",
            True,
        ),
        ("container-app.yaml", "container-app", "properties.template.scale.minReplica", 0),
        ("container-app.yaml", "container-app", "properties.configuration.ingress.transport", "h"),
        (
            "container-app.yaml",
            "container-app",
            "properties.template.containers.0.probes.0.type",
            1,
        ),
    ],
)
def test_a_file_against_a_schema_is_refused(
    name: str,
    schema: str,
    path: str,
    value: Any,  # noqa: ANN401 - of any form
) -> None:
    changed = copy.deepcopy(read(name))
    above, _, last = path.rpartition(".")
    (at(changed, above) if above else changed)[last] = value
    assert complaints(schema, changed) != []


@pytest.mark.parametrize("name", FILES)
def test_each_variable_is_a_setting_that_the_server_takes(name: str) -> None:
    given = environment(name)
    assert given.keys() - set(settings.NAMES) == set()
    taken = settings.read({}, given)
    assert taken.workers == 1
    assert taken.reload_seconds == 0


@pytest.mark.parametrize("name", FILES)
def test_the_port_that_is_reached_is_the_one_that_is_listened_on(name: str) -> None:
    container = predictor(name)
    [reached] = {
        "cloud-run.yaml": lambda: [port["containerPort"] for port in container["ports"]],
        "ecs-task-definition.json": lambda: [
            port["containerPort"] for port in container["portMappings"]
        ],
        "container-app.yaml": lambda: [
            at(read(name), "properties.configuration.ingress.targetPort")
        ],
    }[name]()
    # Cloud Run sets PORT itself, to the port that is named, and refuses a file that does.
    given = environment(name)
    assert ("PORT" in given) == (name != "cloud-run.yaml")
    assert given.get("PORT", "8080") == str(reached) == "8080"


@pytest.mark.parametrize(
    ("name", "grace"),
    [
        ("cloud-run.yaml", lambda: 10),  # what Cloud Run gives
        ("ecs-task-definition.json", lambda: predictor("ecs-task-definition.json")["stopTimeout"]),
        (
            "container-app.yaml",
            lambda: at(
                read("container-app.yaml"), "properties.template.terminationGracePeriodSeconds"
            ),
        ),
    ],
)
def test_the_server_has_drained_before_it_is_killed(name: str, grace: Callable[[], int]) -> None:
    assert int(environment(name)["DRAIN_SECONDS"]) < grace()


@pytest.mark.parametrize("name", FILES)
def test_the_keys_come_as_a_file_from_the_clouds_own_store(name: str) -> None:
    container, document = predictor(name), read(name)
    [mount] = container.get("volumeMounts") or container["mountPoints"]
    folder = mount.get("mountPath", mount.get("containerPath"))
    assert environment(name)["API_KEYS_FILE"] == f"{folder}/keys"
    named = json.dumps(document)
    assert named.count("energy-keys") > 0
    assert not re.search(r"PRIVATE KEY|AKIA[0-9A-Z]{16}", named)


@pytest.mark.parametrize("name", FILES)
def test_probes_ask_what_needs_no_key(name: str) -> None:
    text = (CLOUDS / name).read_text()
    asked = set(re.findall(r"/v2/health/\w+", text))
    assert asked <= {"/v2/health/ready", "/v2/health/live"}
    assert "/v2/health/ready" in asked


@pytest.mark.parametrize("name", FILES)
def test_the_image_is_named_by_its_digest(name: str) -> None:
    assert {container["image"].partition("@")[2] for container in containers(name)} == {
        "sha256:DIGEST"
    }


@pytest.mark.parametrize(
    ("name", "path", "least"),
    [
        (
            "cloud-run.yaml",
            ("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/minScale"),
            "0",
        ),
        ("container-app.yaml", ("properties", "template", "scale", "minReplicas"), 0),
    ],
)
def test_what_is_not_asked_costs_nothing(name: str, path: tuple[str, ...], least: object) -> None:
    found: Any = read(name)
    for key in path:
        found = found[key]
    assert found == least


def test_fargate_is_asked_for_a_size_that_it_has() -> None:
    document = read("ecs-task-definition.json")
    assert document["requiresCompatibilities"] == ["FARGATE"]
    assert (document["cpu"], document["memory"]) == ("256", "512")
    assert document["networkMode"] == "awsvpc"


def test_on_ecs_nothing_is_granted_to_the_task_or_written_by_the_server() -> None:
    document = read("ecs-task-definition.json")
    assert "taskRoleArn" not in document
    for container in document["containerDefinitions"]:
        assert container["readonlyRootFilesystem"]
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    server = predictor("ecs-task-definition.json")
    user = re.findall("^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {server["user"]} == set(user) == {"10001:10001"}
    assert all(mount["readOnly"] for mount in server["mountPoints"])


def test_on_ecs_health_is_asked_as_the_dockerfile_does() -> None:
    """ECS does not look at what the image says of it."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    written = text.partition("HEALTHCHECK ")[2].partition("\n")[0].partition("CMD ")[2]
    ours = [" ".join(word.split()) for word in json.loads(written)]
    kind, *command = predictor("ecs-task-definition.json")["healthCheck"]["command"]
    assert (kind, command) == ("CMD", ours)


def test_on_ecs_the_keys_are_written_as_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = [one for one in containers("ecs-task-definition.json") if one["name"] == "keys"]
    [code] = first["command"]
    assert first["entryPoint"] == ["python", "-c"]
    keys = "billing 0123456789abcdef\nplant fedcba9876543210\n"
    monkeypatch.setenv(first["secrets"][0]["name"], keys)
    folder = first["mountPoints"][0]["containerPath"]
    assert folder in code
    subprocess.run([sys.executable, "-c", code.replace(folder, str(tmp_path))], check=True)
    assert (tmp_path / "keys").read_text() == keys
    assert (tmp_path / "keys").stat().st_mode & 0o004  # the server is another user
    server = predictor("ecs-task-definition.json")
    assert server["dependsOn"] == [{"containerName": "keys", "condition": "SUCCESS"}]
