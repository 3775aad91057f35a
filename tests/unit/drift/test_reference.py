from pathlib import Path

import msgspec
import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Column, Contract, Target
from predictor.drift import reference
from predictor.errors import BundleError, SettingsError
from predictor.profiling import profile_of
from predictor.training.columns import CSV_NAMES
from predictor.training.dataset import Dataset
from predictor.training.pipeline import Trained

FLOW = Contract((Column("flow", "FP64", "m3", ""),), Target("heat", "kWh", ""))


def read(path: Path, given: Contract | None, standard: Contract) -> reference.Reference:
    return reference.read(path, given, standard, CSV_NAMES)


def test_a_bundle_has_its_own_profile(bundle_folder: Path, trained: Trained) -> None:
    found = read(bundle_folder, None, FLOW)
    assert found.profile == trained.manifest.profile
    assert found.contract == trained.manifest.contract
    assert found.source == f"{bundle_folder}, version {trained.manifest.version}"


def test_a_bundle_is_given_no_other_columns(bundle_folder: Path) -> None:
    with pytest.raises(SettingsError, match="is a bundle and has its columns: give no --bundle"):
        read(bundle_folder, FLOW, FLOW)


def test_an_older_bundle_has_no_profile(trained: Trained, tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(trained.manifest, profile=None)
    bundle.write(tmp_path / "old", manifest, trained.files)
    with pytest.raises(BundleError, match="old has no profile: train it anew, or give a file"):
        read(tmp_path / "old", None, FLOW)


def test_a_file_has_the_standard_columns_unless_others_are_given(
    csv_lines: list[bytes], tmp_path: Path, contract: Contract, dataset: Dataset
) -> None:
    (tmp_path / "steel.csv").write_bytes(b"".join(csv_lines))
    (tmp_path / "flow.csv").write_text("flow,heat\n" + "1.5,2\n2.5,3\n" * 20)
    part = dataset.take(np.arange(400))
    steel = read(tmp_path / "steel.csv", None, contract)
    assert steel.profile == profile_of(contract, part.columns, part.target)
    flow = read(tmp_path / "flow.csv", FLOW, contract)
    assert [bins.name for bins in flow.profile.bins] == ["flow", "heat"]
    assert flow.profile.window_rows == 10


def test_a_file_without_the_target_has_a_profile_of_the_columns(tmp_path: Path) -> None:
    (tmp_path / "flow.csv").write_text("flow\n1.5\n2.5\n")
    assert [bins.name for bins in read(tmp_path / "flow.csv", FLOW, FLOW).profile.bins] == ["flow"]
