"""What Prometheus and Grafana are given is what they take, and of one piece with the chart."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.checks import JOB, RULES, rule_groups
from stack.services import CONFIG, DASHBOARDS
from tests.missing import missing
from tests.paths import ROOT

PROMETHEUS = CONFIG / "prometheus" / "prometheus.yml"
SOURCE = CONFIG / "grafana" / "datasources" / "prometheus.yaml"
PROVIDER = CONFIG / "grafana" / "dashboards" / "energy.yaml"
COMPOSE = ROOT / "compose.yaml"

Document = dict[str, Any]


def load(file: Path) -> Document:
    found: Document = yaml.safe_load(file.read_text())
    return found


def test_promtool_takes_the_configuration_and_the_rules() -> None:
    if not shutil.which("promtool"):
        missing("promtool is not installed, which is in Debian's package prometheus")
    result = subprocess.run(
        ["promtool", "check", "config", "--lint=all", "--lint-fatal", str(PROMETHEUS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 rule files found" in result.stdout


def test_every_group_of_rules_is_looked_for() -> None:
    assert rule_groups() == {group["name"] for group in load(RULES)["groups"]}
    assert len(rule_groups()) > 5


def test_the_rules_are_of_the_target_that_is_read() -> None:
    [scraped] = load(PROMETHEUS)["scrape_configs"]
    [target] = scraped["static_configs"]
    assert target["targets"] == ["predictor:8080"]
    assert scraped["job_name"] == JOB
    read = re.findall(r'namespace="([^"]*)",job="([^"]*)"', RULES.read_text())
    assert len(read) > 100
    assert set(read) == {(target["labels"]["namespace"], scraped["job_name"])}


@pytest.mark.parametrize("file", sorted(DASHBOARDS.glob("*.json")), ids=lambda file: file.stem)
def test_the_dashboards_find_the_data_source(file: Path) -> None:
    [source] = load(SOURCE)["datasources"]
    dashboard = json.loads(file.read_text())
    [variable] = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    assert variable["query"] == source["type"]
    assert source["isDefault"]
    used = set(re.findall(r'"uid": "(\$\{\w+\})"', file.read_text()))
    assert used == {f"${{{variable['name']}}}"}


def test_grafana_is_told_by_variables_where_both_are() -> None:
    [source], [provider] = load(SOURCE)["datasources"], load(PROVIDER)["providers"]
    named = {source["url"], provider["options"]["path"]}
    environment = load(COMPOSE)["services"]["grafana"]["environment"]
    assert named == {f"${name}" for name in environment}
    assert environment["PROMETHEUS"] == "http://prometheus:9090"
