"""The files for clouds, and the schemas that the clouds publish."""

import json
from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from tests.paths import ROOT

CLOUDS = ROOT / "docs" / "clouds"
SCHEMAS = Path(__file__).parent / "schemas"
Document = dict[str, Any]

# Of each file, the schemas that it keeps.
FILES = {
    "cloud-run.yaml": ("knative-service", "cloud-run-service"),
    "ecs-task-definition.json": ("ecs-task-definition",),
    "container-app.yaml": ("container-app",),
}


def read(name: str) -> Document:
    document: Document = yaml.safe_load((CLOUDS / name).read_text())
    return document


def complaints(schema: str, document: Document) -> list[str]:
    validator = Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def at(document: Any, path: str) -> Any:  # noqa: ANN401 - of any form
    return reduce(
        lambda below, key: below[int(key)] if key.isdigit() else below[key],
        path.split("."),
        document,
    )


def containers(name: str) -> list[Document]:
    place = {
        "cloud-run.yaml": "spec.template.spec.containers",
        "ecs-task-definition.json": "containerDefinitions",
        "container-app.yaml": "properties.template.containers",
    }[name]
    found: list[Document] = at(read(name), place)
    return found


def predictor(name: str) -> Document:
    [found] = [container for container in containers(name) if container["name"] == "predictor"]
    return found


def environment(name: str) -> dict[str, str]:
    container = predictor(name)
    return {it["name"]: it["value"] for it in container.get("env") or container["environment"]}
