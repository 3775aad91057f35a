"""Running the real promtool on the rules that the chart renders."""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import template

Rule = dict[str, Any]

ON = ("podMonitor.enabled=true", "alerts.enabled=true")
PLANT = {"namespace": "plant", "job": "energy"}


@cache
def groups(*sets: str) -> list[Rule]:
    """Return the groups of rules that the chart renders."""
    result = template(*ON, *sets)
    assert result.returncode == 0, result.stderr
    documents = yaml.safe_load_all(result.stdout)
    [rules] = [found for found in documents if found and found["kind"] == "PrometheusRule"]
    return list(rules["spec"]["groups"])


def alerts(*sets: str) -> list[Rule]:
    return [rule for group in groups(*sets) for rule in group["rules"] if "alert" in rule]


def series(name: str, **labels: str) -> str:
    """Return a series of the release as it is written in PromQL."""
    shown = ",".join(f"{key}={json.dumps(value)}" for key, value in (PLANT | labels).items())
    return f"{name}{{{shown}}}"


def counter(*phases: tuple[float, int]) -> str:
    """Return what a counter shows: in each phase so much more at each of so many steps."""
    shown, value = ["0"], 0.0
    for increase, steps in phases:
        if steps:
            shown.append(f"{value + increase}+{increase}x{steps - 1}")
        value += increase * steps
    return " ".join(shown)


def unexpected(
    folder: Path,
    rules: list[Rule],
    given: Mapping[str, str],
    expected: Mapping[str, Mapping[str, float]],
    *,
    at: str,
    every: str = "30s",
) -> str:
    """Return what promtool says of expressions that give other samples than is expected of them.

    The series in `given` have a sample, and the rules are evaluated, every so often until `at`.
    """
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
    asked = [
        {
            "expr": expression,
            "eval_time": at,
            "exp_samples": [{"labels": shown, "value": value} for shown, value in samples.items()],
        }
        for expression, samples in expected.items()
    ]
    shown = [{"series": name, "values": values} for name, values in given.items()]
    whole = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": every,
        "tests": [{"interval": every, "input_series": shown, "promql_expr_test": asked}],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump(whole))
    result = promtool("test", "rules", str(file))
    return result.stdout + result.stderr if result.returncode else ""


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
