"""Every alert fires when it should, and is quiet when it should be."""

import re
from pathlib import Path

import pytest
import yaml

from tests.chart.rules.cases import CASES, PREDICT, Case, predictions
from tests.chart.rules.drifting import DRIFTING
from tests.chart.rules.promtool import (
    Rule,
    alerts,
    groups,
    promtool,
    series,
    unexpected,
)
from tests.paths import ROOT

EVERY_SETS = (
    (),
    ("autoscaling.enabled=false",),
    ("slo.availability=0.9999", "drift.threshold=0.3", "drift.window=12h"),
)
RUNBOOKS = ROOT / "docs" / "runbooks.md"
RECORDED = ROOT / "docs" / "reference" / "rules.md"


def group_of(case: Case) -> list[Rule]:
    """Return the group that has a case's alert: no rule reads what another group records."""
    return [
        group
        for group in groups(*case.sets)
        if any(rule.get("alert") == case.alert for rule in group["rules"])
    ]


@pytest.mark.parametrize("sets", EVERY_SETS)
def test_promtool_takes_the_rules(sets: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups(*sets)}))
    result = promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("sets", EVERY_SETS)
def test_nothing_is_left_to_be_filled_in(sets: tuple[str, ...]) -> None:
    assert re.findall("@[a-z_]*@", yaml.safe_dump(groups(*sets))) == []


@pytest.mark.parametrize("case", [*CASES, *DRIFTING], ids=str)
def test_an_alert_fires_when_it_should_and_not_else(case: Case, tmp_path: Path) -> None:
    labels = {"alertname": case.alert, "alertstate": "firing"}
    if case.window:
        labels["window"] = case.window
    selected = ",".join(f'{key}="{value}"' for key, value in labels.items())
    expected = {}
    if case.fires is not None:
        [severity] = {
            rule["labels"]["severity"]
            for rule in alerts(*case.sets)
            if (rule["alert"], rule["labels"].get("window", "")) == (case.alert, case.window)
        }
        expected = {series("ALERTS", **labels, **case.fires, severity=severity): 1.0}
    asked = {f"ALERTS{{{selected}}}": expected}
    rules = group_of(case)
    assert rules
    said = unexpected(tmp_path, rules, case.given, asked, at=case.at, every=case.every)
    assert said == ""


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet() -> None:
    alike = {(rule["alert"], rule["labels"].get("window", "")) for rule in alerts()}
    tried = [*CASES, *DRIFTING]
    assert {(case.alert, case.window) for case in tried if case.fires is not None} == alike
    assert {(case.alert, case.window) for case in tried if case.fires is None} == alike


def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / page) == RUNBOOKS
        assert anchor == rule["alert"].lower()
    assert {rule["alert"] for rule in alerts()} == set(headings)


def test_every_series_that_is_recorded_has_its_row() -> None:
    rules = [rule for group in groups() for rule in group["rules"] if "record" in rule]
    names = [re.sub("(5m|30m|[126]h|[13]d)$", "", rule["record"]) for rule in rules]
    documented = re.findall(r"^\| `(predictor:[a-z_:]+)`", RECORDED.read_text(), re.MULTILINE)
    assert set(names) == set(documented)
    assert len(documented) == len(set(documented))


def test_a_link_leads_to_where_the_runbooks_are_read() -> None:
    sets = "alerts.runbookUrl=https://wiki.example/runbooks"
    urls = {rule["annotations"]["runbook_url"].partition("#")[0] for rule in alerts(sets)}
    assert urls == {"https://wiki.example/runbooks"}


def test_an_alert_on_an_autoscaler_is_there_where_one_is() -> None:
    def names(*sets: str) -> set[str]:
        return {rule["alert"] for rule in alerts(*sets)}

    assert names() - names("autoscaling.enabled=false") == {"PredictorAutoscalerAtMaximum"}


@pytest.mark.parametrize(
    ("alert", "ratio", "objective"),
    [
        ("PredictorAvailabilityBurn", "predictor:availability:error_ratio_rate", 0.995),
        ("PredictorLatencyBurn", "predictor:latency:slow_ratio_rate", 0.95),
    ],
)
def test_each_pair_of_windows_has_its_burn_rate_and_severity(
    alert: str, ratio: str, objective: float
) -> None:
    sets = ("slo.availability=0.995", "slo.latency=0.95", "slo.minFailed=7")
    found = [rule for rule in alerts(*sets) if rule["alert"] == alert]
    for rule, (long, short, factor, severity) in zip(
        found,
        (
            ("1h", "5m", "14.4 * ", "page"),
            ("6h", "30m", "6 * ", "page"),
            ("1d", "2h", "3 * ", "ticket"),
            ("3d", "6h", "", "ticket"),
        ),
        strict=True,
    ):
        assert rule["labels"] == {"severity": severity, "window": long}
        first, second, guard = rule["expr"].split("\nand ")
        assert first == f"{series(ratio + long)} > {factor}(1 - {objective})"
        assert second == f"{series(ratio + short)} > {factor}(1 - {objective})"
        assert guard.endswith(" >= 7")


@pytest.mark.parametrize(
    ("alert", "ratio"),
    [
        ("PredictorAvailabilityBurn", "predictor:availability:error_ratio_rate"),
        ("PredictorLatencyBurn", "predictor:latency:slow_ratio_rate"),
    ],
)
def test_ratios_are_those_of_what_was_counted(alert: str, ratio: str, tmp_path: Path) -> None:
    """Of the last five minutes a tenth was bad, and of all others nothing."""
    given = predictions(alert, (300, 110, 0), (300, 10, 0.1))
    slo = [group for group in groups() if alert in str(group)]
    labels = {series(""): 1.0}
    # A step more or less is in a window, by the version of Prometheus. There is only one hour, and
    # what is recorded of each 5m rises to a tenth in ten steps.
    expected = {
        f"abs({ratio}{window} - {value}) < bool {tolerance}": labels
        for window, value, tolerance in (
            ("5m", 0.1, 1e-9),
            ("30m", 0.1 * 10 / 60, 1e-9),
            ("1h", 0.1 * 10 / 120, 1e-9),
            ("2h", 0.055 * 10 / 120, 2e-4),
            ("6h", 0.055 * 10 / 120, 2e-4),
        )
    }
    assert unexpected(tmp_path, slo, given, expected, at="1h") == ""
    idle = predictions(alert, (0, 50, 0))
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
    nothing = {f"{ratio}{window} == bool 0": labels for window in windows}
    assert unexpected(tmp_path, slo, idle, nothing, at="25m") == ""


def test_requests_are_those_of_all_pods_and_protocols(tmp_path: Path) -> None:
    routes = (
        PREDICT,
        "/v2/models/energy/infer",
        "/v2/models/energy/versions/{version}/infer",
        "/predict",
        "/predict/batch",
        "/inference.GRPCInferenceService/ModelInfer",
    )
    others = ("/v2/models/energy", "/v1/models/energy", "/metrics", "/models", "other")
    given = {
        series("predictor_requests_total", pod=pod, route=route, code="200"): "0+30x20"
        for pod in ("a", "b")
        for route in (*routes, *others)
    }
    expected = {"predictor:requests:rate5m": {series("predictor:requests:rate5m"): 12.0}}
    assert unexpected(tmp_path, groups(), given, expected, at="8m") == ""


def test_a_budget_is_what_is_left_of_what_may_fail(tmp_path: Path) -> None:
    """Half of one budget is spent, and twice the other."""
    given = predictions("PredictorAvailabilityBurn", (10_000, 60, 0.0005))
    given |= predictions("PredictorLatencyBurn", (10_000, 60, 0.02))
    left = {"availability": 0.5, "latency": -1}
    expected = {
        f"abs(predictor:{name}:budget_remaining_ratio - {value}) < bool 1e-9": {series(""): 1.0}
        for name, value in left.items()
    }
    assert unexpected(tmp_path, groups(), given, expected, at="30m") == ""


def test_every_rule_reads_series_of_its_own_release_alone() -> None:
    """Another release's rules would else record the same series, now and then with other values."""
    of_release = series("").removesuffix("}")
    found = [rule["expr"] for group in groups() for rule in group["rules"]]
    reads = [read for expr in found for read in re.findall(r"\bpredictor[_:][\w:]+(\S*)", expr)]
    assert len(reads) > 100
    assert [read for read in reads if not read.startswith(of_release)] == []
