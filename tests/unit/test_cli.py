import sys
from pathlib import Path

import pytest

from predictor import bundle, cli, experiment
from predictor.training import parity
from predictor.training.tracks import TRACKS
from tests.keys import key_pair


def test_train_writes_a_bundle_and_prints_its_scores(
    csv_lines: list[bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data.csv").write_bytes(b"".join(csv_lines))
    options = ["--data", str(tmp_path / "data.csv"), "--output", str(tmp_path / "bundle")]
    assert cli.main(["train", *options]) == 0
    shown = capsys.readouterr()
    assert "random 80/20" in shown.out
    assert "last 20 % by time" in shown.out
    assert "144/144 served model" in shown.err
    assert bundle.read(tmp_path / "bundle").manifest.data.rows == 400
    given = experiment.read(tmp_path / "bundle.experiment_manifest.json")
    assert (given.model_type, given.model_path) == ("bundle", "bundle")


def test_an_error_is_one_sentence_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--data", str(tmp_path / "none.csv")]) == 1
    assert capsys.readouterr().err == f"predictor: {tmp_path}/none.csv: No such file or directory\n"


def test_a_folder_that_would_not_be_replaced_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").touch()
    assert cli.main(["train", "--output", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert "is not a bundle" in shown
    assert " 1/" not in shown


@pytest.mark.parametrize("seed", ["-1", "one", "4294967296"])
def test_a_seed_is_a_whole_number_that_every_library_takes(
    seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["train", f"--seed={seed}"])
    assert error.value.code == 2
    shown = capsys.readouterr().err
    assert f"argument --seed: got '{seed}', expected a whole number" in shown


@pytest.mark.parametrize(
    ("command", "package", "library", "extra"),
    [
        (["train"], "predictor.training", "spox", "train"),
        (["status", "energy"], "predictor.deployment", "kubernetes", "deploy"),
        (["drift", "bundle", "rows.csv"], "predictor.drift", "pandas", "drift"),
    ],
)
def test_a_missing_library_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    package: str,
    library: str,
    extra: str,
) -> None:
    for module in [name for name in sys.modules if name.startswith(package)]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    assert cli.main(command) == 1
    assert f"pip install 'energy-predictor[{extra}]'" in capsys.readouterr().err


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main([])
    assert error.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_every_track_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert f"--track {{{','.join(TRACKS)}}}" in capsys.readouterr().out


def test_what_train_signed_and_tuned_verify_accepts_with_that_key_alone(
    csv_lines: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.csv").write_bytes(b"".join(csv_lines))
    (tmp_path / "other").mkdir()
    (key, public), (_, other) = key_pair(tmp_path), key_pair(tmp_path / "other")
    options = ["--data", tmp_path / "data.csv", "--output", tmp_path / "bundle"]
    options += ["--sign", key, "--tune", "1", "--track", "no-leak"]
    assert cli.main(["train", *map(str, options)]) == 0
    assert "3/147 tuning: catboost" in capsys.readouterr().err
    manifest = bundle.read(tmp_path / "bundle").manifest
    assert (manifest.track, manifest.tuning_trials) == ("no-leak", 1)
    verify = ["verify", str(tmp_path / "bundle"), "--require-signature"]
    assert cli.main([*verify, str(public)]) == 0
    assert "ok: bundle.json.sig is the key's signature" in capsys.readouterr().out
    assert cli.main([*verify, str(other)]) == 1
    assert "is not the required key's signature" in capsys.readouterr().err
    assert cli.main([*verify, ""]) == 1


def test_a_model_that_fails_the_gate_is_not_written(
    csv_lines: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(parity, "FLOAT64_TOLERANCE", -1.0)  # no graph is that good
    (tmp_path / "data.csv").write_bytes(b"".join(csv_lines))
    options = ["--data", str(tmp_path / "data.csv"), "--output", str(tmp_path / "bundle")]
    assert cli.main(["train", *options]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "and the sum of leaves disagree on row" in error
    assert error.endswith("no bundle is written")
    assert not (tmp_path / "bundle").exists()
