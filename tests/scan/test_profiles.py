"""The value profiles in the chart's ci/ turn every value."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import helm
from tests.paths import CHART
from tests.scan.profiles import PLAIN, PROFILES, Document, installed, render, values_of

Keys = tuple[str, ...]

# These cannot be anything but their default: the one is helm's, of the other all else is refused.
ONLY_DEFAULT = {"global", "kserve.canaryTrafficPercent"}


def schema() -> Document:
    """Return the schema of the values with what it refers to in its place."""
    whole: Document = json.loads((CHART / "values.schema.json").read_text())
    definitions = whole.pop("definitions")

    def resolved(node: Document) -> Document:
        name = node.get("$ref", "").removeprefix("#/definitions/")
        return {**definitions[name], **node} if name else node

    return dict(json.loads(json.dumps(whole), object_hook=resolved))


def settable(node: Document, prefix: str = "") -> Iterator[str]:
    """Yield every key of a schema that has none below it, dotted."""
    for name, below in node.get("properties", {}).items():
        deeper = below.get("properties") or below.get("items", {}).get("properties")
        if deeper:
            brackets = "" if below.get("properties") else "[]"
            yield from settable({"properties": deeper}, f"{prefix}{name}{brackets}.")
        else:
            yield f"{prefix}{name}"


def keys(values: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401 - whatever YAML holds
    """Yield every key of some values, dotted as in `settable`."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield f"{prefix}{name}"
            brackets = "[]" if isinstance(value, list) else ""
            yield from keys(value, f"{prefix}{name}{brackets}.")
    elif isinstance(values, list):
        for value in values:
            yield from keys(value, prefix)


def leaves(values: Document, above: Keys = ()) -> Iterator[Keys]:
    """Yield where the values of a profile are that are no maps."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name)


def without(values: Document, path: Keys) -> Document:
    """Return values with one left to its default."""
    left = copy.deepcopy(values)
    below = left
    for name in path[:-1]:
        below = below[name]
    del below[path[-1]]
    return left


def test_there_are_at_least_six_profiles_whose_kinds_all_scanners_know() -> None:
    assert len(PLAIN) >= 6


def test_the_profiles_set_every_value() -> None:
    set_by_some = {key for profile in PROFILES for key in keys(values_of(profile))}
    assert set(settable(schema())) - set_by_some == ONLY_DEFAULT


def test_the_profiles_render_every_template() -> None:
    kinds = {document["kind"] for profile in PROFILES for document in installed(profile)}
    templates = [*CHART.glob("templates/*.yaml"), *CHART.glob("templates/tests/*.yaml")]
    assert len(kinds) == len(templates)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_passes_helm_lint(profile: str) -> None:
    result = helm("lint", "--strict", str(CHART), "-f", str(PROFILES[profile]))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("profile", PROFILES)
def test_each_value_of_a_profile_changes_what_is_rendered(profile: str, tmp_path: Path) -> None:
    values = values_of(profile)
    whole = render(PROFILES[profile], "plant")
    file = tmp_path / "values.yaml"
    idle = []
    for path in leaves(values):
        file.write_text(yaml.safe_dump(without(values, path)))
        result = helm("template", "energy", str(CHART), "--namespace", "plant", "-f", str(file))
        if result.stdout == whole:
            idle.append(".".join(path))
    assert idle == []
