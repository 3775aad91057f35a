"""What the documentation says, against what is there."""

import json
import logging
import re
from functools import reduce
from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from predictor import bundle, experiment
from predictor.cli import generation
from predictor.conformance.runner import CASES
from predictor.contract import Contract
from predictor.generation import settings as deployment
from predictor.serving import access, metrics
from predictor.serving.decoding.batch import encode
from predictor.serving.engine import Engine
from predictor.serving.observability.arrivals import arrived
from predictor.serving.observability.lines import as_json
from predictor.serving.rest import routes
from predictor.serving.rest.plain import plain_api
from predictor.serving.service import Service
from predictor.serving.settings import NAMES, Settings
from tests.paths import CHART, ROOT

REFERENCE = ROOT / "docs" / "reference"
DEPLOY = ROOT / "docs" / "how-to" / "deploy-any-experiment.md"
PAGES = [
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
    and ROOT / "tests" / "golden" not in page.parents  # of each a part
]


def rows(page: Path) -> list[list[str]]:
    """Return the cells of every table's rows, without the headings."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_setting_has_its_row_with_its_default() -> None:
    documented = {row[0]: row[1] for row in rows(REFERENCE / "settings.md")}
    defaults = {f"`{name}`": f"`{getattr(Settings(), name.lower())}`" for name in NAMES}
    assert documented == defaults


def test_every_metric_has_its_row_with_its_labels() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    documented = {row[0]: row[2].strip("–") for row in rows(REFERENCE / "metrics.md")}
    assert documented == {
        f"`{metric._name}{'_total' if isinstance(metric, Counter) else ''}`": ", ".join(
            f"`{label}`" for label in metric._labelnames
        )
        for metric in declared
    }


def test_every_key_of_a_line_has_its_row(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, access.logger.name):
        access.answered("/", "GET", 200, arrived(None, None))
    [record] = caplog.records
    documented = {row[0].strip("`") for row in rows(REFERENCE / "logs.md") if len(row) == 2}
    assert documented == json.loads(as_json(record)).keys() | {"exception", "trace_id"}


def test_every_route_is_in_the_reference(bundle_folder: Path) -> None:
    service = Service(Engine(bundle.read(bundle_folder)), Settings(max_rows=100))
    found = {f"GET {path}" for path in routes.reads(service)}
    found |= {f"POST {path}" for path in routes.predictions(service)}
    for path, operations in plain_api(service, Settings()).openapi()["paths"].items():
        found |= {f"{method.upper()} {path}" for method in operations}
    found = {route.replace(service.engine.manifest.version, "VERSION") for route in found}
    text = (REFERENCE / "http.md").read_text()
    assert {route for route in found if f"`{route}`" not in text} == set()


def test_every_column_has_its_row(contract: Contract) -> None:
    first_cells = [row[0] for row in rows(REFERENCE / "http.md")]
    assert first_cells[: len(contract.names)] == [f"`{name}`" for name in contract.names]


def test_every_field_of_a_manifest_has_its_row() -> None:
    documented = [row[0] for row in rows(REFERENCE / "bundle.md")]
    assert documented == [f"`{field}`" for field in bundle.Manifest.__struct_fields__]


def test_every_rule_of_the_protocols_has_its_row() -> None:
    documented = [row for row in rows(REFERENCE / "conformance.md") if row[0].startswith("`v")]
    assert documented == [[f"`{c.id}`", c.level, c.source, c.rule] for c in CASES]
    assert f"\n{len(CASES)} rules: " in (REFERENCE / "conformance.md").read_text()


def test_the_rules_that_servers_broke_are_rules_that_there_are() -> None:
    levels = {f"`{case.id}`": case.level for case in CASES}
    broken = {row[0]: row[1] for row in rows(ROOT / "docs" / "conformance.md")}
    assert len(broken) > 20
    assert broken.items() <= levels.items()


@pytest.mark.parametrize("page", [ROOT / "README.md", CHART / "templates" / "NOTES.txt"])
def test_the_request_that_is_shown_is_one_that_is_answered(page: Path, contract: Contract) -> None:
    body = json.loads(page.read_text().split("-d '")[1].split("'")[0])
    assert len(encode(contract, body["instances"], 1).columns) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text()))
    assert listed == {page.name for page in folder.glob("0*.md")}


def test_every_make_target_of_the_contributors_guide_exists() -> None:
    named = set(re.findall(r"`make ([a-z0-9-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(named) > 5
    assert named <= made


def default_of(key: str) -> str:
    value = reduce(getattr, key.split("."), deployment.Settings())
    return value if isinstance(value, str) else json.dumps(value)


def test_every_setting_of_a_deployment_has_its_row_with_its_flag_and_default() -> None:
    documented = [row[:3] for row in rows(DEPLOY) if row[0].startswith("`deployment.")]
    flags = {key: f"`--{flag}`" for flag, (key, _) in generation.FLAGS.items()}
    flags[generation.DRIFT] = "`--drift-detection`, `--no-drift-detection`"
    expected = [[f"`{key}`", flags[key], f"`{default_of(key)}`"] for key in deployment.KEYS]
    assert documented == expected


def test_the_experiment_and_the_settings_that_are_shown_are_read(tmp_path: Path) -> None:
    text = DEPLOY.read_text()
    for name, kind in ((experiment.FILE, "json"), ("settings.yaml", "yaml")):
        (tmp_path / name).write_text(text.split(f"```{kind}\n")[1].split("```")[0])
    assert experiment.read(tmp_path / experiment.FILE).model_type == "bundle"
    assert deployment.read(tmp_path / "settings.yaml").deployment.api.workers == 2
