"""What is asked of each service; a check returns what it found, or raises."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from predictor import bundle
from predictor.errors import PredictorError
from predictor.serving import check
from stack.asking import ask
from stack.services import CONFIG, DASHBOARDS, StackError

Check = Callable[[], str]
Checks = Mapping[str, Check]

JOB = "energy"
RULES = CONFIG / "prometheus" / "rules.yaml"
# A server that cannot be reached, one that answers something else, and one that predicts otherwise.
FAILURES = (OSError, ValueError, msgspec.MsgspecError, PredictorError, StackError)


class _Experiment(msgspec.Struct):
    name: str


class _Experiments(msgspec.Struct):
    experiments: list[_Experiment]


class _Target(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    health: str
    last_error: str


class _Targets(msgspec.Struct, rename="camel"):
    active_targets: list[_Target]


class _TargetsAnswer(msgspec.Struct):
    data: _Targets


class _Rule(msgspec.Struct, rename="camel"):
    name: str
    health: str
    last_error: str = ""


class _Group(msgspec.Struct):
    name: str
    rules: list[_Rule]


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _RulesAnswer(msgspec.Struct):
    data: _Groups


class _Health(msgspec.Struct):
    database: str


class _SourceHealth(msgspec.Struct):
    status: str
    message: str = ""


class _Dashboard(msgspec.Struct):
    uid: str


def checks_of(name: str, url: str, folder: Path) -> Checks:
    """Return the checks of a service by their names; `folder` is that of the bundle it serves."""
    return {title: partial(function, url) for title, function in _CHECKS[name].items()} | (
        {"golden rows": partial(_golden_rows, url, folder)} if name == "predictor" else {}
    )


def rule_groups() -> set[str]:
    """Return the names of the groups of rules that Prometheus has to have."""
    return set(re.findall(r"^  (?:- |  )name: (\S+)$", RULES.read_text(), re.MULTILINE))


def _expect(is_met: bool, otherwise: str) -> None:  # noqa: FBT001 - as in an assertion
    if not is_met:
        raise StackError(otherwise)


def _answers(path: str, url: str) -> str:
    ask(f"{url}{path}")
    return f"{path} is 200"


def _metrics(url: str) -> str:
    text = ask(f"{url}/metrics").decode()
    found = re.findall("^# TYPE (?:predictor|request)_", text, re.MULTILINE)
    _expect(bool(found), "/metrics has none of the predictor's")
    return f"{len(found)} metrics"


def _golden_rows(url: str, folder: Path) -> str:
    return check.check(url, bundle.read(folder)).removeprefix(f"{url} ")


def _experiments(url: str) -> str:
    body = msgspec.json.encode({"max_results": 100})
    answer = ask(f"{url}/api/2.0/mlflow/experiments/search", body)
    found = msgspec.json.decode(answer, type=_Experiments).experiments
    _expect(bool(found), "it has no experiment, not even its own")
    return "it lists experiments"


def _flows(url: str) -> str:
    msgspec.json.decode(ask(f"{url}/api/flows/count", b"{}"), type=int)
    return "it counts flows"


def _target(url: str) -> str:
    answer = ask(f"{url}/api/v1/targets?state=active")
    targets = msgspec.json.decode(answer, type=_TargetsAnswer).data.active_targets
    states = [target for target in targets if target.labels.get("job") == JOB]
    _expect(bool(states), f"it has no target of the job {JOB}")
    for target in states:
        why = target.last_error or "not yet read"
        _expect(target.health == "up", f"its target is {target.health}: {why}")
    return "the predictor is up"


def _rules(url: str) -> str:
    groups = msgspec.json.decode(ask(f"{url}/api/v1/rules"), type=_RulesAnswer).data.groups
    missing = rule_groups() - {group.name for group in groups}
    _expect(not missing, f"it lacks the rules of {', '.join(sorted(missing))}")
    rules = [rule for group in groups for rule in group.rules]
    for rule in rules:
        _expect(rule.health != "err", f"the rule {rule.name} fails: {rule.last_error}")
    return f"{len(rules)} rules"


def _database(url: str) -> str:
    found = msgspec.json.decode(ask(f"{url}/api/health"), type=_Health).database
    _expect(found == "ok", f"its database is {found}")
    return "its database is ok"


def _data_source(url: str) -> str:
    answer = ask(f"{url}/api/datasources/uid/prometheus/health")
    found = msgspec.json.decode(answer, type=_SourceHealth)
    _expect(found.status == "OK", f"its data source is {found.status}: {found.message}")
    return "it reads Prometheus"


def _dashboards(url: str) -> str:
    found = msgspec.json.decode(ask(f"{url}/api/search?type=dash-db"), type=list[_Dashboard])
    wanted = {
        msgspec.json.decode(file.read_bytes(), type=_Dashboard).uid
        for file in DASHBOARDS.glob("*.json")
    }
    missing = wanted - {dashboard.uid for dashboard in found}
    _expect(not missing, f"it lacks the dashboards {', '.join(sorted(missing))}")
    return f"{len(wanted)} dashboards"


_CHECKS: dict[str, dict[str, Callable[[str], str]]] = {
    "predictor": {
        "health": partial(_answers, "/health"),
        "ready": partial(_answers, "/v2/health/ready"),
        "metrics": _metrics,
    },
    "mlflow": {"health": partial(_answers, "/health"), "API": _experiments},
    "prefect": {"health": partial(_answers, "/api/health"), "API": _flows},
    "prometheus": {"ready": partial(_answers, "/-/ready"), "target": _target, "rules": _rules},
    "grafana": {"health": _database, "data source": _data_source, "dashboards": _dashboards},
}
