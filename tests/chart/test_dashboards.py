"""The dashboards in the chart: as the source has them, in good style, of metrics that exist.

The rules of style are those of Grafana's dashboard-linter that concern dashboards over all pods.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from charts.dashboards.query import FILES, panels, queries, read, replaced
from charts.dashboards.units import UNITS
from predictor.serving import metrics
from tests.chart.helm import Render, template
from tests.missing import missing
from tests.paths import ROOT

Dashboard = dict[str, Any]

ON = "dashboards.enabled=true"
# What Prometheus makes itself of every target.
OF_PROMETHEUS = {"up"}
VARIABLES = {
    "namespace": "plant",
    "job": "energy",
    "column": "nsm",
    "__rate_interval": "1m",
}
METRIC = re.compile(r"([a-z_][a-z0-9_:]*)\{")


@pytest.fixture(params=FILES)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return read(request.param)


def declared() -> set[str]:
    """Return the names of the series that the server exports."""
    found = set()
    for metric in vars(metrics).values():
        if isinstance(metric, Counter):
            found.add(f"{metric._name}_total")
        elif isinstance(metric, Histogram):
            found |= {f"{metric._name}_{part}" for part in ("bucket", "count", "sum")}
        elif isinstance(metric, MetricWrapperBase):
            found.add(metric._name)
    # What the kernel knows is no metric of a module, but made when it is asked for.
    for file in Path(metrics.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r'"(process_[a-z_]+)"', file.read_text()))
    return found


def recorded(render: Render) -> set[str]:
    """Return the names that the chart's recording rules make."""
    rule = render("alerts.enabled=true")["PrometheusRule"]
    rules = [it for group in rule["spec"]["groups"] for it in group["rules"]]
    return {it["record"] for it in rules if "record" in it}


def test_the_files_are_those_of_their_source() -> None:
    command = [sys.executable, "-m", "charts.dashboards", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_by_default_there_are_none(render: Render) -> None:
    assert "ConfigMap" not in render()


def test_the_config_map_holds_exactly_the_files(render: Render) -> None:
    found = render(ON)["ConfigMap"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "annotations" not in found["metadata"]
    assert found["data"] == {
        f"energy-predictor-{name}.json": file.read_text() for name, file in FILES.items()
    }


def test_the_config_map_takes_labels_and_annotations(render: Render) -> None:
    sets = (ON, "dashboards.labels.team=meters", "dashboards.annotations.grafana_folder=Plant")
    metadata = render(*sets)["ConfigMap"]["metadata"]
    assert metadata["labels"]["team"] == "meters"
    assert metadata["annotations"] == {"grafana_folder": "Plant"}


def test_the_config_map_is_so_small_that_kubectl_can_apply_it(render: Render) -> None:
    """It writes what it applies into an annotation, which may have 256 KiB."""
    assert len(json.dumps(render(ON)["ConfigMap"])) < 250_000


def test_a_label_of_the_charts_own_is_refused() -> None:
    result = template(ON, "dashboards.labels.app=x")
    assert "dashboards.labels has app" in result.stderr


def test_dashboards_have_names_of_their_own() -> None:
    found = [read(name) for name in FILES]
    for key in ("uid", "title"):
        assert len({dashboard[key] for dashboard in found}) == len(FILES) == 3
    assert all(len(dashboard["uid"]) <= 40 for dashboard in found)


def test_a_dashboard_is_nobodys_to_edit_and_of_a_schema_that_grafana_12_has(
    dashboard: Dashboard,
) -> None:
    assert dashboard["editable"] is False
    assert dashboard["schemaVersion"] == 41
    assert dashboard["description"]
    assert dashboard["time"] == {"from": "now-6h", "to": "now"}


def test_source_namespace_and_job_are_variables(dashboard: Dashboard) -> None:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    source = variables["datasource"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    for variable in variables.values():
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2
            assert variable["label"]
    for name in ("namespace", "job"):
        chosen = variables[name]
        assert (chosen["multi"], chosen["includeAll"], chosen["allValue"]) == (True, True, ".+")


def test_the_dashboard_leads_to_the_runbooks(dashboard: Dashboard) -> None:
    [runbooks] = [link for link in dashboard["links"] if link["type"] == "link"]
    assert runbooks["url"] == "${runbooks}"
    [variable] = [v for v in dashboard["templating"]["list"] if v["name"] == "runbooks"]
    assert (variable["type"], variable["hide"]) == ("constant", 2)
    assert variable["query"].startswith("https://")
    links = [link for panel in panels(dashboard) for link in panel["links"]]
    assert links
    assert {link["url"] for link in links} == {"${runbooks}"}


def test_panels_stand_side_by_side_and_have_a_number_each(dashboard: Dashboard) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        own = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not own & cells, f"{panel['title']} is over another"
        assert at["x"] + at["w"] <= 24
        cells |= own
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_every_panel_has_a_title_a_description_a_unit_and_the_chosen_source(
    dashboard: Dashboard,
) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        assert panel["title"]
        assert len(panel["description"].split()) >= 12, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["legendFormat"], panel["title"]


def test_every_series_is_of_the_chosen_namespace_and_job(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        selectors = re.findall(r"[a-z0-9_:]+\{(.*?)\}", query.expression)
        assert selectors, query.name
        for matchers in selectors:
            assert matchers.startswith('namespace=~"$namespace", job=~"$job"'), query.name


def test_every_range_is_grafanas_and_every_counter_is_rated(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        assert set(re.findall(r"\[(.*?)\]", query.expression)) <= {"$__rate_interval"}, query.name
        rated = r"(?:rate|increase)\([a-z_]+(?:_total|_bucket|_sum|_count)\{"
        counters = r"[a-z_]+(?:_total|_bucket|_sum|_count)\{"
        found = [len(re.findall(form, query.expression)) for form in (rated, counters)]
        assert found[0] == found[1], query.name


def test_every_series_is_summed_over_pods(dashboard: Dashboard) -> None:
    """What the server exports is of one pod; a recorded series is of them all."""
    for query in queries(dashboard):
        for name in METRIC.findall(query.expression):
            summed = re.search(r"\b(sum|max|min|count)\b", query.expression)
            assert ":" in name or summed, query.name


def test_every_expression_is_promql(dashboard: Dashboard, tmp_path: Path) -> None:
    assert promtool(dashboard, tmp_path, {}) == ""


def test_an_expression_that_is_not_promql_is_found(tmp_path: Path) -> None:
    said = promtool(read("serving"), tmp_path, {"__rate_interval": "often"})
    assert "bad duration syntax" in said or "could not parse" in said


def promtool(dashboard: Dashboard, folder: Path, others: dict[str, str]) -> str:
    """Return what promtool says against the expressions, as if each were recorded."""
    if not shutil.which("promtool"):
        missing("promtool is not installed")
    rules = [
        {"record": f"a:{number}", "expr": replaced(query.expression, VARIABLES | others)}
        for number, query in enumerate(queries(dashboard))
    ]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = ["promtool", "check", "rules", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else ""


def named(dashboard: Dashboard) -> set[str]:
    """Return the names of the series that a dashboard asks for."""
    return {name for query in queries(dashboard) for name in METRIC.findall(query.expression)}


def test_every_metric_is_one_that_the_server_exports(dashboard: Dashboard) -> None:
    scraped = {name for name in named(dashboard) if ":" not in name}
    assert scraped
    assert scraped - declared() - OF_PROMETHEUS == set()


@pytest.mark.parametrize("name", ["serving", "drift"])
def test_every_recorded_series_is_one_that_a_rule_records(name: str, render: Render) -> None:
    asked = {series for series in named(read(name)) if ":" in series}
    assert asked
    assert asked - recorded(render) == set()


def test_every_label_value_that_is_listed_is_of_a_metric_that_there_is(
    dashboard: Dashboard,
) -> None:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            [name] = re.findall(r"label_values\((\w+)", variable["query"]["query"])
            assert name in declared()
