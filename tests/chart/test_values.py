"""The schema describes every value, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.paths import CHART

Schema = dict[str, Any]

# Of a rule of the autoscaler, what is absent counts too; of a list, its items.
OPEN_ENDED = ("autoscaling.behavior.", "global")
# What is the user's own, or has a schema of Kubernetes or KServe, which say what is wrong with it.
FOREIGN = {
    "affinity",
    "batch.env[]",
    "batch.volumeMounts[]",
    "batch.volumes[]",
    "containerSecurityContext",
    "env[]",
    "global",
    "httpRoute.parentRefs[]",
    "kserve.batcher",
    "kserve.logger",
    "networkPolicy.egress[]",
    "podSecurityContext",
    "tolerations[]",
    "volumeMounts[]",
    "volumes[]",
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    """Return the schema with what it refers to in its place."""
    loaded: Schema = json.loads((CHART / "values.schema.json").read_text())
    definitions = loaded.pop("definitions")

    def resolved(node: Schema) -> Schema:
        name = node.get("$ref", "").removeprefix("#/definitions/")
        return {**definitions[name], **node} if name else node

    whole: Schema = json.loads(json.dumps(loaded), object_hook=resolved)
    return whole


def described(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every key below a schema, dotted, with its own schema."""
    for name, below in schema.get("properties", {}).items():
        yield f"{prefix}{name}", below
        yield from described(below, f"{prefix}{name}.")
        if items := below.get("items"):
            yield f"{prefix}{name}[]", items
            yield from described(items, f"{prefix}{name}[].")


def keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{name}.")


def test_values_and_schema_have_the_same_keys(schema: Schema) -> None:
    values = set(keys(yaml.safe_load((CHART / "values.yaml").read_text())))
    known = {key for key, _ in described(schema) if "[]" not in key}
    values = {key for key in values if not key.startswith(tuple(FOREIGN))} | (values & known)
    assert values <= known
    assert {key for key in known - values if not key.startswith(OPEN_ENDED)} == set()


def test_every_key_is_described(schema: Schema) -> None:
    assert [key for key, below in described(schema) if not below.get("description")] == []


def test_no_object_takes_a_key_that_is_not_described(schema: Schema) -> None:
    objects = {key: below for key, below in described(schema) if below.get("type") == "object"}
    loose = {
        key for key, below in objects.items() if below.get("additionalProperties", True) is True
    }
    assert loose == FOREIGN
