"""Where the served bundle comes from, and what takes its place when there is none."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from predictor.bundle import MODEL
from predictor.training.pipeline import Trained
from tests.bundles import another_version, damaged, flipped, written
from tests.mounted import Plain
from tests.protocol.process import PREDICTOR, START_SECONDS, Server, running
from tests.protocol.reloads import SETTINGS, lines, metric, served, wait_until_loaded


def model_info(server: Server) -> dict[str, float]:
    return metric(server, "predictor_model_info", "origin")


def test_a_missing_bundle_is_replaced_by_the_embedded_one_when_told_so(
    trained: Trained, tmp_path: Path
) -> None:
    embedded, folder = tmp_path / "embedded", Plain(tmp_path / "bundle")
    written(trained)(embedded)
    settings = {"EMBEDDED_BUNDLE": str(embedded), "FALLBACK_TO_EMBEDDED": "true", **SETTINGS}
    with running(folder.path, **settings) as server:
        assert served(server)["origin"] == "embedded"
        assert model_info(server) == {"embedded": 1}
        [line] = lines(server, f"no bundle at {folder.path}")
        assert "WARNING" in line
        assert lines(server, f"of {embedded} (embedded) on")
        wait_until_loaded(server, folder, another_version(trained, 1))
        assert served(server)["origin"] == "external"
        assert served(server)["source"] == str(folder.path)
        assert model_info(server) == {"embedded": 0, "external": 1}


@pytest.mark.parametrize(
    ("settings", "damage", "sentence"),
    [
        ({"FALLBACK_TO_EMBEDDED": "false"}, None, "no bundle at"),
        ({"FALLBACK_TO_EMBEDDED": "true"}, flipped, "model.onnx is damaged"),
        (
            {"FALLBACK_TO_EMBEDDED": "true", "EMBEDDED_BUNDLE": ""},
            None,
            "FALLBACK_TO_EMBEDDED is true, and EMBEDDED_BUNDLE names no folder",
        ),
    ],
)
def test_no_other_bundle_is_served_in_the_place_of_one_unless_it_is_missing_and_told_so(
    trained: Trained,
    tmp_path: Path,
    settings: dict[str, str],
    damage: Callable[[bytes], bytes] | None,
    sentence: str,
) -> None:
    written(trained)(tmp_path / "embedded")
    if damage:
        damaged(written(trained), MODEL, damage)(tmp_path / "bundle")
    ended = subprocess.run(
        [*PREDICTOR, "serve", "--bundle", str(tmp_path / "bundle")],
        env=os.environ
        | {"EMBEDDED_BUNDLE": str(tmp_path / "embedded"), "PORT": "0", "GRPC_PORT": "0"}
        | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
