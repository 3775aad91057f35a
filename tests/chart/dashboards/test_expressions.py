"""What the dashboards ask: PromQL over all pods, of metrics that exist.

The rules are those of Grafana's dashboard-linter, but for those of a variable `instance`.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from charts.dashboards.query import FILES, queries, read, replaced
from predictor.serving import metrics
from tests.chart.helm import Render
from tests.missing import missing

Dashboard = dict[str, Any]

# What Prometheus makes itself of every target.
OF_PROMETHEUS = {"up"}
VARIABLES = {
    "namespace": "plant",
    "job": "energy",
    "column": "nsm",
    "__rate_interval": "1m",
}
METRIC = re.compile(r"([a-z_][a-z0-9_:]*)\{")
CLOSED = re.compile(r"\([^()]*\)")
# Its labels' parentheses are closed, and taken away.
AGGREGATION = re.compile(r"\b(sum|max|min|count)\s*(by\s*)?\(")


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
    return found


def recorded(render: Render) -> set[str]:
    """Return the names that the chart's recording rules make."""
    rule = render("alerts.enabled=true", "podMonitor.enabled=true")["PrometheusRule"]
    rules = [it for group in rule["spec"]["groups"] for it in group["rules"]]
    return {it["record"] for it in rules if "record" in it}


def test_every_series_is_of_the_chosen_namespace_and_job(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        selectors = re.findall(r"[a-z0-9_:]+\{(.*?)\}", query.expression)
        assert selectors, query.name
        for matchers in selectors:
            assert matchers.startswith('namespace=~"$namespace", job=~"$job"'), query.name


def test_every_range_is_grafanas_and_every_counter_is_rated(dashboard: Dashboard) -> None:
    for query in queries(dashboard):
        assert set(re.findall(r"\}\[(.*?)\]", query.expression)) <= {"$__rate_interval"}, query.name
        rated = r"(?:rate|increase)\([a-z_]+(?:_total|_bucket|_sum|_count)\{"
        counters = r"[a-z_]+(?:_total|_bucket|_sum|_count)\{"
        found = [len(re.findall(form, query.expression)) for form in (rated, counters)]
        assert found[0] == found[1], query.name


def test_every_series_is_summed_over_pods(dashboard: Dashboard) -> None:
    """What the server exports is of one pod; a recorded series is of them all."""
    for query in queries(dashboard):
        assert of_pods(query.expression) == [], query.name


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum by (le) (rate(a{}[1m])) / sum(rate(b{}[1m]))", []),
        ("sum(rate(a{}[1m])) / rate(b{}[1m])", ["b"]),
        ("rate(a{}[1m]) / sum(rate(b{}[1m]))", ["a"]),
        ("topk(1, a{}) or max by (pod) (b{} / c:d{})", ["a"]),
        ('sum(a{route=~"(/x)?)"} + b{}) + c:d{}', []),
    ],
)
def test_what_is_of_one_pod_is_found_beside_what_is_summed(
    expression: str, found: list[str]
) -> None:
    assert of_pods(expression) == found


def of_pods(expression: str) -> list[str]:
    """Return the series that no aggregation is around, without those that rules record."""
    bare = re.sub(r'"[^"]*"', '""', expression)  # a route's parentheses are none of PromQL's
    names = [name for name in METRIC.finditer(bare) if ":" not in name[1]]
    return [name[1] for name in names if not is_aggregated(bare[: name.start()])]


def is_aggregated(before: str) -> bool:
    """Return whether a parenthesis that is still open after a text is an aggregation's."""
    while CLOSED.search(before):
        before = CLOSED.sub("", before)
    return AGGREGATION.search(before) is not None


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
