"""The dashboards in the chart: as their source has them, in good style, with their runbooks."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from charts.dashboards.query import FILES, panels, read
from charts.dashboards.units import UNITS
from tests.chart.helm import Render, template
from tests.paths import CHART, ROOT

Dashboard = dict[str, Any]

ON = "dashboards.enabled=true"


@pytest.fixture(params=FILES)
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return read(request.param)


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


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
    assert variable["query"] == values()["alerts"]["runbookUrl"]


def test_every_runbook_that_a_panel_leads_to_is_there(dashboard: Dashboard) -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    urls = {f"${{runbooks}}#{heading.lower()}" for heading in headings}
    links = {link["url"] for panel in panels(dashboard) for link in panel["links"]}
    assert links
    assert links <= urls


def test_the_runbooks_are_where_the_value_says(render: Render) -> None:
    wiki = "https://wiki.example/a/runbooks"
    for text in render(ON, f"alerts.runbookUrl={wiki}")["ConfigMap"]["data"].values():
        found = json.loads(text)
        [variable] = [v for v in found["templating"]["list"] if v["name"] == "runbooks"]
        assert variable["query"] == wiki


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
