import sys
from pathlib import Path

import pytest

from predictor import bundle, cli


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


@pytest.mark.parametrize("seed", ["-1", "one"])
def test_a_seed_is_a_whole_number_from_0_on(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["train", f"--seed={seed}"])
    assert error.value.code == 2
    assert (
        f"argument --seed: got '{seed}', expected a whole number from 0 on"
        in capsys.readouterr().err
    )


def test_a_missing_library_names_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("predictor.training")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "spox", None)
    assert cli.main(["train"]) == 1
    assert "pip install 'energy-predictor[train]'" in capsys.readouterr().err


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main([])
    assert error.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
