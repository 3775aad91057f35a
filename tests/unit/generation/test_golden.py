"""What is generated for models that are written down; `python -m tests.golden` writes it anew."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from predictor.bundle import Manifest
from predictor.errors import ExperimentError
from predictor.generation import rendering
from predictor.generation.files import digest, manifest_of, source_of
from tests.golden.made import FOLDERS, every_file, made, service
from tests.paths import CHART

each = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def load(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "deployment" / name).read_text())
    return found


def schemas_of(folder: Path) -> dict[str, Any]:
    """Return what service.py defines."""
    source = (folder / "deployment" / "service.py").read_text()
    found: dict[str, Any] = {"__name__": "service", "__file__": str(folder / "service.py")}
    exec(compile(source, "service.py", "exec"), found)  # noqa: S102 - it is what is tested
    return found


def row_of(folder: Path) -> type[BaseModel]:
    row: type[BaseModel] = schemas_of(folder)["Row"]
    return row


def golden_of(folder: Path) -> Manifest:
    return msgspec.json.decode((folder / "bundle.json").read_bytes(), type=Manifest)


@each
def test_what_is_generated_is_what_is_written_down(folder: Path) -> None:
    written = folder / "deployment"
    paths = [path for path in written.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found = {path.relative_to(written).as_posix(): path.read_bytes() for path in paths}
    generated = made(folder)
    assert found.keys() == generated.keys()
    assert {name for name in found if found[name] != generated[name]} == set()


@each
def test_the_same_is_generated_twice(folder: Path) -> None:
    assert every_file(folder) == every_file(folder)


@each
def test_no_template_has_a_word_left(folder: Path) -> None:
    texts = (content.decode() for content in made(folder).values())
    assert [text for text in texts if "@@" in text or "@release" in text] == []


@each
def test_the_deployments_manifest_lists_every_file_with_its_digest(folder: Path) -> None:
    files = every_file(folder)
    path = folder / "experiment_manifest.json"
    listed = manifest_of(service(folder), source_of(service(folder).experiment, path), files)
    assert listed.files == {name: digest(content) for name, content in files.items()}
    assert listed.source.sha256 == digest(path.read_bytes())
    assert {"requirements.txt", "tests/test_service.py", "chart/Chart.yaml"} <= set(listed.files)


@each
def test_the_python_is_python(folder: Path) -> None:
    for path in (folder / "deployment").rglob("*.py"):
        ast.parse(path.read_text())


@each
def test_the_rows_type_takes_the_golden_rows_and_gives_them_back(folder: Path) -> None:
    rows = golden_of(folder).golden.rows
    for row in rows:
        assert row_of(folder).model_validate(row).model_dump(mode="json", by_alias=True) == row


@each
def test_the_rows_type_takes_no_other_column(folder: Path) -> None:
    [row, *_] = golden_of(folder).golden.rows
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        row_of(folder).model_validate(row | {"no_such_column": 1})


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("machine", "temperature", 151),
        ("machine", "class", "medium"),
        ("machine", "model_year", None),
        ("steel", "load_type", 7),
        ("steel", "nsm", 1.5),
        ("steel", "co2", -1),
    ],
)
def test_the_rows_type_takes_no_value_that_cannot_be(name: str, field: str, value: object) -> None:
    [folder] = [folder for folder in FOLDERS if folder.name == name]
    [row, *_] = golden_of(folder).golden.rows
    with pytest.raises(ValidationError) as error:
        row_of(folder).model_validate(row | {field: value})
    assert {problem["loc"][0] for problem in error.value.errors()} == {field}


def test_a_classes_answer_has_probabilities_and_no_interval() -> None:
    [machine] = [folder for folder in FOLDERS if folder.name == "machine"]
    properties = TypeAdapter(schemas_of(machine)["Answer"]).json_schema()["properties"]
    assert {"predicted_failure", "probabilities"} <= properties.keys()
    assert not {"lower", "upper", "interval_coverage"} & properties.keys()


@each
def test_the_image_runs_as_nobody_and_installs_only_what_has_a_hash(folder: Path) -> None:
    text = (folder / "deployment" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line]
    last = max(number for number, (word, *_) in enumerate(lines) if word == "FROM")
    assert ["USER", "10001:10001"] in lines[last:]
    assert "HEALTHCHECK" in {word for word, *_ in lines[last:]}
    installs = [line[1] for line in lines if line[0] == "RUN" and "pip" in line[1]]
    assert [install for install in installs if "--require-hashes" not in install] == [installs[0]]
    allowed = (folder / "deployment" / ".dockerignore").read_text()
    copied = {line[1].split()[0] for line in lines if line[0] == "COPY" and "--from" not in line[1]}
    assert {f"!{name}" for name in copied} <= set(allowed.splitlines())


@each
def test_every_requirement_has_a_hash(folder: Path) -> None:
    files = every_file(folder)
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines = files[name].decode().replace("\\\n", " ").splitlines()
        packages = [line for line in lines if line and line[0] not in "#- "]
        assert packages
        assert [line for line in packages if "--hash=sha256:" not in line] == []
    [wheel] = [content for path, content in files.items() if path.startswith("wheels/")]
    assert f"--hash=sha256:{digest(wheel)}" in files["requirements.txt"].decode()


@each
def test_compose_gives_the_service_what_was_asked_for(folder: Path) -> None:
    services = load(folder, "compose.yaml")["services"]
    api = service(folder).settings.deployment.api
    [port] = services["predictor"]["ports"]
    assert port == {"target": 8080, "published": str(api.port), "host_ip": api.host}
    assert services["predictor"]["deploy"]["resources"]["limits"] == {"cpus": "2", "memory": "2G"}
    assert {name for name in services if services[name].get("profiles") == ["monitoring"]} == {
        *("prometheus", "grafana")
    }


@each
def test_compose_mounts_only_what_there_is(folder: Path) -> None:
    files = every_file(folder)
    services = load(folder, "compose.yaml")["services"].values()
    volumes = [volume for found in services for volume in found.get("volumes", [])]
    sources = [volume.split(":")[0].removeprefix("./") for volume in volumes if volume[0] == "."]
    assert len(sources) == 3
    assert [s for s in sources if not any(name.startswith(f"{s}/") for name in files)] == []


@each
def test_the_values_are_values_of_the_chart(folder: Path) -> None:
    values, known = load(folder, "values.yaml"), yaml.safe_load((CHART / "values.yaml").read_text())

    def unknown(found: dict[str, Any], there: dict[str, Any]) -> set[str]:
        below = (
            unknown(v, there[k]) for k, v in found.items() if k in there and isinstance(v, dict)
        )
        return (found.keys() - there.keys()).union(*below)

    assert unknown(values, known) == set()
    assert values["image"]["tag"] == service(folder).manifest.version


@each
def test_every_alert_has_its_heading_in_the_runbook(folder: Path) -> None:
    rules = (path.read_text() for path in (CHART / "rules").glob("*.yaml"))
    groups = (group for text in rules for group in yaml.safe_load(text)["groups"])
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    runbook = (folder / "deployment" / "runbook.md").read_text()
    headings = {line.removeprefix("### ") for line in runbook.splitlines() if "### " in line}
    assert headings == alerts


def test_what_helm_complains_of_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho 'no such chart' >&2\nexit 1\n")
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExperimentError, match="does not render the chart: no such chart"):
        rendering.rendered("energy", CHART, b"")


def test_what_helm_renders_is_written_with_where_it_is_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho 'spec: {groups: []}'\n")
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = rendering.rendered("energy", CHART, b"")
    assert sorted(found) == [
        *("manifests/energy-without-kserve.yaml", "manifests/energy.yaml"),
        "monitoring/prometheus/rules/predictor.yaml",
    ]
    assert found["manifests/energy.yaml"] == rendering.FROM + b"spec: {groups: []}\n"
    assert yaml.safe_load(found["monitoring/prometheus/rules/predictor.yaml"]) == {"groups": []}
