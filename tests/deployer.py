"""What the account that deploys from CI may do."""

from typing import Any

import yaml

from tests.paths import ROOT

FILE = ROOT / "manifests" / "prerequisites" / "ci-service-account.yaml"

# A group of the API, and a resource of it.
Place = tuple[str, str]


def objects() -> dict[str, dict[str, Any]]:
    """Return the objects of the file by kind."""
    return {found["kind"]: found for found in yaml.safe_load_all(FILE.read_text())}


def allowed() -> dict[Place, set[str]]:
    """Return the verbs that are granted, by group and resource."""
    return {
        (group, resource): set(rule["verbs"])
        for rule in objects()["Role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
