"""From a handed-over manifest to a folder, by the command and by the call."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from predictor import cli, experiment, training
from predictor.agent import run_deployment_agent
from predictor.errors import BundleError, ExperimentError, PredictorError
from predictor.experiment import Experiment
from predictor.generation.files import DEPLOYMENT_MANIFEST, DeploymentManifest, digest
from predictor.training.pipeline import Trained
from tests.paths import ROOT
from tests.unit.generation.conftest import change

pytestmark = pytest.mark.usefixtures("no_helm")


def generated(path: Path, *options: str) -> int:
    return cli.main(["generate", str(path), "--output", str(path.parent / "out"), *options])


def test_a_call_returns_the_folder_and_the_manifest_of_all_that_is_in_it(
    experiment_path: Path, tmp_path: Path
) -> None:
    folder, manifest = run_deployment_agent(
        experiment_manifest_path=experiment_path,
        api_title="Steel",
        api_version="2.0",
        output=tmp_path / "out",
    )
    written = (folder / DEPLOYMENT_MANIFEST).read_bytes()
    assert msgspec.json.decode(written, type=DeploymentManifest) == manifest
    assert (manifest.api_title, manifest.api_version) == ("Steel", "2.0")
    assert manifest.source.sha256 == digest(experiment_path.read_bytes())
    paths = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): digest(path.read_bytes()) for path in paths}
    assert found == manifest.files | {DEPLOYMENT_MANIFEST: digest(written)}


def test_the_bundle_is_copied_as_it_is(experiment_path: Path, trained: Trained) -> None:
    assert generated(experiment_path) == 0
    for name in ("bundle.json", *trained.files):
        copied = experiment_path.parent / "out" / "bundle" / name
        assert copied.read_bytes() == (experiment_path.parent / "bundle" / name).read_bytes()


def test_a_second_run_says_that_nothing_was_written(
    experiment_path: Path, capsys: pytest.CaptureFixture[str], trained: Trained
) -> None:
    assert generated(experiment_path) == 0
    assert "files" in capsys.readouterr().out
    out = experiment_path.parent / "out"
    assert generated(experiment_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        "left out manifests/ and Prometheus's rules: helm is not on the PATH",
        f"{out} is a deployment of energy-predictor:{trained.manifest.version}",
    ]


def test_a_changed_file_is_kept_until_it_is_forced(
    experiment_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generated(experiment_path) == 0
    compose = experiment_path.parent / "out" / "compose.yaml"
    compose.write_text("mine")
    assert generated(experiment_path) == 0
    assert "kept compose.yaml, which was changed" in capsys.readouterr().out
    assert generated(experiment_path, "--port", "9000") == 3
    shown = capsys.readouterr().out
    assert "compose.yaml: kept as it is, though something else is generated now" in shown
    assert "wrote README.md" in shown
    assert compose.read_text() == "mine"
    assert generated(experiment_path, "--port", "9000", "--force") == 0
    assert '"9000"' in compose.read_text()


def test_a_call_tells_of_conflicts_on_stderr(
    experiment_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = run_deployment_agent(experiment_path, output=tmp_path / "out")
    (folder / "compose.yaml").write_text("mine")
    port = {"deployment.api.port": 9000}
    run_deployment_agent(experiment_path, output=folder, settings=port)
    assert "compose.yaml: kept as it is" in capsys.readouterr().err
    run_deployment_agent(experiment_path, output=folder, settings=port, force=True)
    assert capsys.readouterr().err == ""


def test_settings_lie_beside_the_experiment_and_flags_outweigh_them(
    experiment_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = experiment_path.parent / "config"
    config.mkdir()
    (config / "settings.yaml").write_text("deployment: {api: {port: 81, workers: 3}}")
    monkeypatch.setenv("DEPLOYMENT_DOCKER_REGISTRY", "ghcr.io/plant")
    assert generated(experiment_path, "--port", "82", "--no-drift-detection") == 0
    manifest = json.loads((experiment_path.parent / "out" / DEPLOYMENT_MANIFEST).read_bytes())
    assert manifest["settings"]["deployment"] == {
        "api": {"host": "127.0.0.1", "port": 82, "workers": 3},
        "docker": {"base_image": "python:3.11-slim", "registry": "ghcr.io/plant"},
        "monitoring": {"enable_drift_detection": False, "drift_threshold": 0.0},
    }
    assert manifest["image"].startswith("ghcr.io/plant/energy-predictor:")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"input_schema": {}}, "input_schema is empty; name each value"),
        ({"input_schema": {"a": {"type": "number"}}}, "input_schema has a, but the bundle's"),
        ({"input_schema": {"a": {"type": "float"}}}, "is 'float'; expected one of number, integer"),
        ({"model_type": "pickle"}, "'pickle'; expected one of bundle, onnx, xgboost"),
        ({"model_path": "none"}, "model_path is none, but there is no bundle there"),
        ({"model_path": None}, "model_path is missing; add it"),
        ({"colour": "red"}, "there is no field colour; remove it"),
        ({"target": {"name": "other"}}, "target.name is other, but in the bundle's contract"),
        ({"name": "other"}, "name is other, but the bundle's is energy: write the bundle's"),
        ({"target": {"name": "usage_kwh", "classes": ["no", "yes"]}}, "target.unit is not given"),
    ],
)
def test_what_cannot_be_deployed_is_one_sentence_and_nothing_is_written(
    experiment_path: Path, fields: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    change(experiment_path, **fields)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ExperimentError) as error:
        run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_manifest_is_said_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError, match=r"expected the experiment_manifest\.json that a team"
    ):
        run_deployment_agent(tmp_path / experiment.FILE, output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_bundle_is_not_deployed(experiment_path: Path, tmp_path: Path) -> None:
    (experiment_path.parent / "bundle" / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="is damaged"):
        run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("column", "field", "value"),
    [
        ("nsm", "type", "number"),
        ("nsm", "maximum", 5.0),
        ("nsm", "unit", "h"),
        ("nsm", "optional", True),
        ("load_type", "categories", ("zzz",)),
    ],
)
def test_an_experiment_that_contradicts_its_bundle_is_refused(
    experiment_path: Path, tmp_path: Path, column: str, field: str, value: object
) -> None:
    schema = json.loads(experiment_path.read_bytes())["input_schema"]
    schema[column][field] = value
    change(experiment_path, input_schema=schema)
    with pytest.raises(ExperimentError) as error:
        run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert f"input_schema.{column}.{field} is {value}, but in the bundle's" in str(error.value)


def test_an_experiment_may_give_other_words_for_people(
    experiment_path: Path, tmp_path: Path
) -> None:
    schema = json.loads(experiment_path.read_bytes())["input_schema"]
    schema["nsm"] |= {"description": "since midnight", "feature": "NSM"}
    change(experiment_path, input_schema=schema)
    run_deployment_agent(experiment_path, output=tmp_path / "out")


def test_a_bundle_that_does_not_predict_its_golden_rows_is_not_deployed(
    experiment_path: Path, tmp_path: Path
) -> None:
    path = experiment_path.parent / "bundle" / "bundle.json"
    manifest = json.loads(path.read_bytes())
    manifest["golden"]["predictions"][0] += 5
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="does not predict what it did at training: prediction"):
        run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("title", ["two\nlines", "a\x00"])
def test_a_title_is_one_line(experiment_path: Path, tmp_path: Path, title: str) -> None:
    with pytest.raises(PredictorError, match=r"the API's title is .*, expected one line of text"):
        run_deployment_agent(experiment_path, api_title=title, output=tmp_path / "out")


def test_a_model_of_another_kind_is_made_a_bundle_that_says_the_same_each_time(
    experiment_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Trained
) -> None:
    """How a bundle is made of it has tests of its own."""
    asked: list[Experiment] = []

    def bundle_of(found: Experiment, folder: Path) -> Trained:
        assert folder == experiment_path.parent
        asked.append(found)
        dated = msgspec.structs.replace(trained.manifest, created=found.created)
        return Trained(dated, trained.files)

    module = ModuleType("predictor.training.imported")
    module.bundle_of = bundle_of  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(training, "imported", module, raising=False)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    model = experiment_path.parent / "model.json"
    model.touch()
    os.utime(model, (1_700_000_000, 1_700_000_000))
    change(experiment_path, model_type="xgboost", model_path="model.json", created=None)
    _, first = run_deployment_agent(experiment_path, output=tmp_path / "out")
    _, second = run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert first == second
    assert {found.created for found in asked} == {"2023-11-14T22:13:20+00:00"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    _, third = run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert third.model.created == "1970-01-01T00:00:00+00:00"
    change(experiment_path, created="2026-01-02T03:04:05+00:00")
    _, fourth = run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert fourth.model.created == "2026-01-02T03:04:05+00:00"


def test_a_model_that_is_not_there_is_said(experiment_path: Path, tmp_path: Path) -> None:
    change(experiment_path, model_type="onnx", model_path="none.onnx")
    with pytest.raises(
        ExperimentError, match=r"model_path is none\.onnx, but there is no such file"
    ):
        run_deployment_agent(experiment_path, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_its_library_the_extra_to_install_is_named() -> None:
    without = "import sys; sys.modules['yaml'] = None; from predictor.cli import main; "
    command = f"{without} sys.exit(main(['generate', 'experiment_manifest.json']))"
    found = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = "predictor: yaml is not installed: pip install 'energy-predictor[generate]'\n"
    assert (found.returncode, found.stderr) == (1, said)
