from pathlib import Path

import pytest

from predictor.serving.bundles.source import Origin, origin_of
from predictor.serving.settings import Settings


@pytest.mark.parametrize(
    ("folder", "origin"),
    [
        ("/bundle", "embedded"),
        ("/bundle/", "embedded"),
        ("/bundle/other", "external"),
        ("/mnt/models", "storage"),
        ("/mnt/models/energy", "storage"),
        ("/mnt/modelsX", "external"),
        ("bundle", "external"),
    ],
)
def test_the_origin_of_a_bundle_is_told_by_its_folder(folder: str, origin: Origin) -> None:
    assert origin_of(Path(folder), Settings(embedded_bundle="/bundle")) == origin


def test_a_volume_over_the_embedded_bundle_is_external() -> None:
    assert origin_of(Path("/proc"), Settings(embedded_bundle="/proc")) == "external"


def test_without_an_embedded_bundle_none_is() -> None:
    assert origin_of(Path(), Settings()) == "external"
