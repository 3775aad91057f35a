"""The bundles that are made of models, and those that are handed over as they are."""

import re
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest

from predictor import bundle, experiment
from predictor.contract import Contract
from predictor.errors import BundleError, ExperimentError
from predictor.experiment import Experiment, Input, Output
from predictor.training import imported
from predictor.training.imported import schema
from predictor.training.imported.examples import drawn
from predictor.training.imported.model import Model
from predictor.training.pipeline import Trained
from predictor.verify import verify
from tests.unit.training.imported.conftest import TASKS, Make


def lightgbm_of(kind: str, folder: Path, make: Make) -> Experiment:
    task = TASKS[kind]
    objective = {"regression": "regression", "binary": "binary"}[kind]
    rows = lightgbm.Dataset(task.frame, task.target)
    model = lightgbm.train({"objective": objective, "verbose": -1}, rows, 8)
    model.save_model(folder / "model.txt")
    return make(task, "lightgbm", "model.txt")


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_the_same_experiment_gives_the_same_bytes_and_they_verify(
    kind: str, tmp_path: Path, make: Make
) -> None:
    given = lightgbm_of(kind, tmp_path, make)
    for name in ("first", "second"):
        made = imported.bundle_of(given, tmp_path)
        bundle.write(tmp_path / name, made.manifest, made.files)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["bundle.json", "model-card.md", "model.onnx"]
    for name in names:
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
    assert len(list(verify(tmp_path / "first"))) == 5


def test_a_bundle_says_where_it_comes_from(tmp_path: Path, make: Make) -> None:
    found = imported.bundle_of(lightgbm_of("binary", tmp_path, make), tmp_path).manifest
    examples = (tmp_path / "examples.csv").read_bytes()
    assert found.data == bundle.Data("examples.csv", bundle.digest(examples), 143)
    assert (found.track, found.type) == ("imported", "lightgbm classifier")
    assert (found.created, found.metrics) == ("2026-01-02T03:04:05+00:00", {"own score": 0.5})
    assert found.versions["lightgbm"] == lightgbm.__version__
    assert len(found.golden.rows) == len(found.golden.probabilities) == 32
    assert found.profile
    assert len(found.profile.bins) == len(found.contract.columns) + 1


def test_a_graph_that_no_server_would_read_is_refused(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = lightgbm_of("regression", tmp_path, make)
    monkeypatch.setitem(bundle.MOST_BYTES, bundle.MODEL, 1000)
    with pytest.raises(ExperimentError, match="and may have 1000: fit fewer trees"):
        imported.bundle_of(given, tmp_path)


def test_what_may_be_missing_has_a_bin_of_its_own(tmp_path: Path, make: Make) -> None:
    task = TASKS["regression"].with_holes()
    rows = lightgbm.Dataset(task.frame, task.target)
    lightgbm.train({"verbose": -1}, rows, 2).save_model(tmp_path / "model.txt")
    given = make(task, "lightgbm", "model.txt", optional=["age", "bmi"])
    profile = imported.bundle_of(given, tmp_path).manifest.profile
    assert profile
    lacking = {
        bins.name: (bins.labels[-1], bins.rows[-1] > 0) for bins in profile.bins if bins.missing
    }
    assert lacking == dict.fromkeys(("age", "bmi"), ("missing", True))


def test_the_card_has_what_the_team_measured_and_what_was_seen(tmp_path: Path, make: Make) -> None:
    given = lightgbm_of("regression", tmp_path, make)
    made = imported.bundle_of(msgspec.structs.replace(given, contacts=("Ada",)), tmp_path)
    text = made.files["model-card.md"].decode()
    assert "| own score | 0.5 |" in text
    assert "| `age` | a number |" in text
    assert "- Ada" in text
    task, model = TASKS["regression"], lightgbm.Booster(model_file=tmp_path / "model.txt")
    rows = task.frame.iloc[::3]
    error = model.predict(rows) - task.target.loc[rows.index]
    assert f"| RMSE | {np.mean(error**2) ** 0.5:.6g} |" in text


def test_nothing_that_a_team_writes_is_markup_in_the_card(tmp_path: Path, make: Make) -> None:
    given = lightgbm_of("regression", tmp_path, make)
    nasty = "```\n# heading\n<script>alert(1)</script> | *x* [a](b) `c`"
    described = {
        name: msgspec.structs.replace(each, description=nasty, unit=nasty)
        for name, each in given.input_schema.items()
    }
    changed = msgspec.structs.replace(
        given,
        input_schema=described,
        description=nasty,
        contacts=(nasty,),
        metrics={nasty: 1.0},
        target=Output(name="outcome", unit=nasty, description=nasty),
    )
    plain = imported.bundle_of(given, tmp_path).files["model-card.md"].decode()
    text = imported.bundle_of(changed, tmp_path).files["model-card.md"].decode()
    headings = (re.findall("^#+ .*", card, re.MULTILINE)[1:] for card in (plain, text))
    assert next(headings) == next(headings)[:-1]  # the last is of whom to ask
    assert not re.search(r"(?<!\\)<", text)
    assert "```" not in text


def test_an_answer_stays_in_the_range_that_the_experiment_gives(tmp_path: Path, make: Make) -> None:
    given = lightgbm_of("regression", tmp_path, make)
    target = Output(name="outcome", minimum=120, maximum=160)
    made = imported.bundle_of(msgspec.structs.replace(given, target=target), tmp_path)
    found = made.manifest.golden.predictions
    assert (min(found), max(found)) == (120, 160)


def test_drawn_rows_are_what_the_contract_allows() -> None:
    given = Experiment(
        name="m",
        model_path="m",
        model_type="onnx",
        target=Output(name="y"),
        input_schema={
            "a": Input(type="number", minimum=-2, maximum=2, optional=True),
            "b": Input(type="integer", minimum=0.5, maximum=3.5),
            "c": Input(type="boolean"),
            "d": Input(type="category", categories=("x", "y", "z"), optional=True),
            "e": Input(type="integer"),
        },
    )
    contract = schema.contract_of(given)
    model = Model("m", b"", lambda _: None, 0.0, {})  # type: ignore[arg-type,return-value]
    rows = drawn(contract, model, np.array([[0.0, 1, 1, 2, 7]]), 0)
    for row in rows.tolist():
        values = [c.decode(value) for c, value in zip(contract.columns, row, strict=True)]
        named = dict(zip(contract.names, values, strict=True))
        np.testing.assert_array_equal(contract.encode_rows([named])[0], row)
    assert np.isnan(rows).any(axis=0).tolist() == [True, False, False, True, False]
    assert {len(np.unique(rows[:, place])) for place in (1, 2)} == {3, 2}


def described(folder: Path, trained: Trained) -> Experiment:
    return experiment.of_bundle(trained.manifest, folder.name)


def test_a_bundle_is_taken_as_it_is(bundle_folder: Path, trained: Trained) -> None:
    given = described(bundle_folder, trained)
    made = imported.bundle_of(given, bundle_folder.parent)
    assert made.manifest == bundle.read(bundle_folder).manifest
    assert made.files.keys() == made.manifest.files.keys()
    assert given.metrics["5-fold rmse"] > 0


def test_an_experiment_of_a_bundle_can_be_written_and_read(
    bundle_folder: Path, trained: Trained, tmp_path: Path
) -> None:
    given = described(bundle_folder, trained)
    experiment.write(tmp_path / experiment.FILE, given)
    assert experiment.read(tmp_path / experiment.FILE) == given


def test_a_bundle_that_is_described_otherwise_is_refused(
    bundle_folder: Path, trained: Trained, contract: Contract
) -> None:
    given = described(bundle_folder, trained)
    inputs = dict(given.input_schema)
    del inputs["nsm"]
    shorter = msgspec.structs.replace(given, input_schema=inputs)
    with pytest.raises(ExperimentError, match="they must be the same, in this order"):
        imported.bundle_of(shorter, bundle_folder.parent)
    wider = given.input_schema | {"nsm": Input(type="integer", unit="s", minimum=0, maximum=5)}
    unit = contract.columns_by_name["nsm"].unit
    wider["nsm"] = msgspec.structs.replace(wider["nsm"], unit=unit)
    changed = msgspec.structs.replace(given, input_schema=wider)
    with pytest.raises(ExperimentError, match=r"nsm\.maximum is 5, but .* is 86399\.0"):
        imported.bundle_of(changed, bundle_folder.parent)


def test_a_damaged_bundle_is_refused(bundle_folder: Path, trained: Trained, tmp_path: Path) -> None:
    for name, content in {**trained.files, "model.onnx": b"other"}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "bundle.json").write_bytes((bundle_folder / "bundle.json").read_bytes())
    with pytest.raises(BundleError, match="is damaged"):
        imported.bundle_of(described(tmp_path, trained), tmp_path.parent)
