"""Writes the schemas of what clouds take, each from what its maker publishes.

    python -m tests.docs.clouds.extract

It needs Go, and an environment with azure-mgmt-appcontainers, botocore and PyYAML. Only what a file
of ours can reach is kept, without its descriptions, and a key that is not there is an error.
"""

import enum
import gzip
import importlib
import importlib.metadata
import json
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.scan.schemas import Schema, module_folder, strict

SCHEMAS = Path(__file__).parent / "schemas"
KNATIVE = "knative.dev/serving@v0.51.0"
GOOGLE = "google.golang.org/api@v0.311.0"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}
BOTOCORE = {"long": "integer", "double": "number", "float": "number", "timestamp": "string"}


def knative() -> Schema:
    """Return the schema of Knative's own Service."""
    path = module_folder(KNATIVE) / "config" / "core" / "300-resources" / "service.yaml"
    [version] = yaml.safe_load(path.read_text())["spec"]["versions"]
    undescribed: Schema = _undescribed(strict(version["schema"]["openAPIV3Schema"]))
    return {"$comment": f"Apache-2.0, {KNATIVE}, {path.name}", **undescribed}


def cloud_run() -> Schema:
    """Return the schema of a Service of Cloud Run, without what it says not to support."""
    document = json.loads((module_folder(GOOGLE) / "run" / "v1" / "run-api.json").read_text())
    found = document["schemas"]

    def definition(name: str) -> Schema:
        properties = {
            key: _undescribed(_referring(below))
            for key, below in found[name].get("properties", {}).items()
            if not below.get("description", "").startswith("Not supported by Cloud Run")
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}

    source = f"BSD-3-Clause, {GOOGLE}, run/v1/run-api.json, revision {document['revision']}"
    return _whole(source, "Service", definition)


def ecs() -> Schema:
    """Return the schema of a request to register a task definition."""
    package = Path(str(importlib.import_module("botocore").__file__)).parent
    [path] = (package / "data" / "ecs").glob("*/service-2.json.gz")
    shapes = json.loads(gzip.decompress(path.read_bytes()))["shapes"]
    source = f"Apache-2.0, {_installed('botocore')}, data/ecs/{path.parent.name}/{path.name}"
    return _whole(source, "RegisterTaskDefinitionRequest", lambda name: _shape(shapes[name]))


def container_app() -> Schema:
    """Return the schema of a container app, without what Azure alone writes."""
    models = importlib.import_module("azure.mgmt.appcontainers.models")
    client = importlib.import_module("azure.mgmt.appcontainers").ContainerAppsAPIClient
    version = client.__init__.__doc__ or client.__doc__ or ""
    api = version.partition('Known values are "')[2].partition('"')[0]
    source = f"MIT, {_installed('azure-mgmt-appcontainers')}, API version {api}"
    return _whole(source, "ContainerApp", lambda name: _model(getattr(models, name), models))


def _installed(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


def _undescribed(schema: Any) -> Any:  # noqa: ANN401 - of JSON
    """Return a schema without its texts; a property may be called `description`."""
    if isinstance(schema, list):
        return [_undescribed(below) for below in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, below in schema.items():
        if key == "properties":
            kept[key] = {name: _undescribed(one) for name, one in below.items()}
        elif key not in {"description", "format", "default", "enumDescriptions"}:
            kept[key] = _undescribed(below)
    return kept


def _referring(schema: Any) -> Any:  # noqa: ANN401 - of JSON
    """Return a schema of Google's with references as JSON Schema has them."""
    if isinstance(schema, list):
        return [_referring(below) for below in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/$defs/{below}" if key == "$ref" else _referring(below)
        for key, below in schema.items()
    }


def _shape(shape: Schema) -> Schema:
    """Return one of botocore's shapes."""
    kind = shape["type"]
    if kind == "structure":
        properties = {name: _at(member["shape"]) for name, member in shape["members"].items()}
        found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return found | {key: shape[key] for key in ("required",) if key in shape}
    if kind == "list":
        return {"type": "array", "items": _at(shape["member"]["shape"])}
    if kind == "map":
        return {"type": "object", "additionalProperties": _at(shape["value"]["shape"])}
    found = {"type": BOTOCORE.get(kind, kind)}
    names = {"enum": "enum", "pattern": "pattern"}
    names |= {"min": "minimum", "max": "maximum"} if found["type"] == "integer" else {}
    return found | {names[key]: shape[key] for key in names if key in shape}


def _model(model: Any, models: types.ModuleType) -> Schema:  # noqa: ANN401 - a class of Azure's
    """Return one of Azure's models."""
    model()  # only then it knows its fields
    hints = typing.get_type_hints(model, {**vars(models), "_models": models, **vars(typing)})
    properties = {
        field._rest_name: _hint(hints[name])
        for name, field in model._attr_to_rest_field.items()
        if field._visibility != ["read"]
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _hint(hint: Any) -> Schema:  # noqa: ANN401 - any annotation
    """Return what an annotation of Azure's allows."""
    origin, below = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        # A name out of a list is annotated as a text too.
        wanted = [one for one in below if one is not type(None)]
        [*_, last] = sorted(wanted, key=lambda one: isinstance(one, enum.EnumMeta))
        return _hint(last)
    if origin is list:
        return {"type": "array", "items": _hint(below[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _hint(below[1])}
    if isinstance(hint, enum.EnumMeta):
        return {"enum": [member.value for member in vars(hint)["_member_map_"].values()]}
    if hint is not Any and hint.__module__.startswith("azure"):
        return _at(hint.__name__)
    return {} if hint is Any else {"type": SCALARS.get(hint, "string")}


def _at(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _whole(source: str, start: str, definition: Callable[[str], Schema]) -> Schema:
    """Return a definition and all that it refers to."""
    found: dict[str, Schema] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definition(name)
            waiting += _referred(found[name])
    return {
        "$schema": DIALECT,
        "$comment": source,
        "$defs": dict(sorted(found.items())),
        **_at(start),
    }


def _referred(schema: Any) -> Iterable[str]:  # noqa: ANN401 - of JSON
    if isinstance(schema, dict):
        for key, below in schema.items():
            if key == "$ref" and isinstance(below, str):
                yield below.rpartition("/")[2]
            else:
                yield from _referred(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _referred(below)


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    for of, schema in {
        "knative-service": knative(),
        "cloud-run-service": cloud_run(),
        "ecs-task-definition": ecs(),
        "container-app": container_app(),
    }.items():
        (SCHEMAS / f"{of}.json").write_text(json.dumps(schema, indent=1) + "\n")
