"""The account that deploys from CI may make what the chart renders, and no more."""

from typing import Any

import pytest

from tests import deployer
from tests.deployer import Place
from tests.scan.profiles import PROFILES, installed

LOOKED_AT = {("", "events"), ("", "pods/log"), ("apps", "replicasets")}
NAMESPACED = {"ServiceAccount", "Role", "RoleBinding"}


def place(document: dict[str, Any]) -> Place:
    """Return the group and the resource of an object, as the API names them."""
    group, _, version = document["apiVersion"].rpartition("/")
    assert version
    kind = document["kind"].lower()
    ending = {"s": "es", "y": "ies"}.get(kind[-1], "")
    return group, (kind[:-1] if kind[-1] == "y" else kind) + (ending or "s")


@pytest.fixture(scope="module")
def rendered() -> set[Place]:
    return {place(document) for profile in PROFILES for document in installed(profile)}


def test_all_that_the_chart_renders_may_be_made_changed_and_removed(rendered: set[Place]) -> None:
    allowed = deployer.allowed()
    wanted = {"get", "create", "update", "patch", "delete"}
    assert ("serving.kserve.io", "inferenceservices") in rendered
    assert {it for it in rendered if not wanted <= allowed.get(it, set())} == set()


def test_nothing_else_may_be_changed(rendered: set[Place]) -> None:
    reading = {"get", "list", "watch"}
    assert {it for it, verbs in deployer.allowed().items() if verbs - reading} == rendered
    assert deployer.allowed().keys() - rendered == LOOKED_AT


def test_no_secret_is_read_and_nothing_is_granted_by_an_asterisk() -> None:
    allowed = deployer.allowed()
    assert ("", "secrets") not in allowed
    assert "*" not in {name for it in allowed for name in it}
    assert "*" not in {verb for verbs in allowed.values() for verb in verbs}


def test_all_of_it_is_in_one_namespace_and_for_one_account() -> None:
    objects = deployer.objects()
    assert objects.keys() == {"Namespace", *NAMESPACED}
    namespace = objects["Namespace"]["metadata"]["name"]
    assert {objects[kind]["metadata"]["namespace"] for kind in NAMESPACED} == {namespace}
    assert objects["RoleBinding"]["roleRef"]["name"] == objects["Role"]["metadata"]["name"]
    [subject] = objects["RoleBinding"]["subjects"]
    assert subject["name"] == objects["ServiceAccount"]["metadata"]["name"]
    assert objects["ServiceAccount"]["automountServiceAccountToken"] is False
