"""For each alert what makes it fire, and what does not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.chart.rules.promtool import PLANT, counter, series

PREDICT = "/v1/models/energy:predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
# The share that the objective allows, by the SLO's alert.
BUDGETS = {"PredictorAvailabilityBurn": 0.001, "PredictorLatencyBurn": 0.01}
# The long window of each pair, by how many times the budget it may burn, for how many steps of
# which length that is tried, and in how many of them the short window is over. What is constant
# needs no whole window; rates over 5m need several steps.
BURNS = {
    "1h": (14.4, 120, "30s", 12),
    "6h": (6.0, 240, "30s", 64),
    "1d": (3.0, 120, "2m", 66),
    "3d": (1.0, 240, "2m", 186),
}
SECONDS = {"30s": 30, "1m": 60, "2m": 120}


@dataclass(frozen=True)
class Case:
    """Series, and the labels of the alert that they cause, or None where they cause none."""

    what: str
    alert: str
    given: Mapping[str, str]
    at: str
    fires: Mapping[str, str] | None = None
    window: str = ""
    every: str = "30s"
    sets: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.alert}{self.window and f' {self.window}'}: {self.what}"


def predictions(
    alert: str, *phases: tuple[float, int, float], route: str = PREDICT
) -> dict[str, str]:
    """Return what is counted where in each phase so many predictions come at each of its steps.

    A phase is how many come, its steps, and the share that is bad.
    """
    good = counter(*((each * (1 - share), steps) for each, steps, share in phases))
    bad = counter(*((each * share, steps) for each, steps, share in phases))
    every = counter(*((each, steps) for each, steps, _ in phases))
    if alert == "PredictorLatencyBurn":
        labels = {"pod": "a", "protocol": "http", "route": route}
        return {
            series("predictor_request_seconds_bucket", **labels, le="0.025"): good,
            series("predictor_request_seconds_bucket", **labels, le="+Inf"): every,
            series("predictor_request_seconds_count", **labels): every,
        }
    codes = ("OK", "UNAVAILABLE") if route == INFER else ("200", "503")
    names = [series("predictor_requests_total", pod="a", route=route, code=code) for code in codes]
    return dict(zip(names, (good, bad), strict=True))


def burning() -> Iterator[Case]:
    """Yield what burns a budget just too fast, just not, and no longer, in each pair of windows."""
    for alert, budget in BUDGETS.items():
        for window, (factor, steps, every, over) in BURNS.items():
            fast = factor * budget
            for what, share, after, fires in (
                ("a little too fast", 1.05 * fast, 0, PLANT),
                ("just not too fast", 0.95 * fast, 0, None),
                ("much too fast, but no longer", 0.9, over, None),
            ):
                given = predictions(alert, (10_000, steps, share), (10_000, after, 0))
                at = f"{(steps + after) * SECONDS[every]}s"
                yield Case(what, alert, given, at, fires, window, every)


def bursts() -> Iterator[Case]:
    """Yield what one of two windows, or the guard for little traffic, keeps quiet."""
    for alert in BUDGETS:
        yield Case(
            "a moment in which all fail, which is little of an hour",
            alert,
            predictions(alert, (100, 118, 0), (100, 1, 1)),
            at="3570s",
            window="1h",
        )
        yield Case(
            "an outage of minutes",
            alert,
            predictions(alert, (100, 60, 0), (100, 12, 1)),
            at="36m",
            fires=PLANT,
            window="1h",
        )
        yield Case(
            "nine of a few that fail",
            alert,
            predictions(alert, (0, 60, 0), (1, 9, 1), (0, 1, 0)),
            at="35m",
            window="1h",
        )
        yield Case(
            "eleven of a few that fail",
            alert,
            predictions(alert, (0, 60, 0), (1, 11, 1)),
            at="2130s",
            fires=PLANT,
            window="1h",
        )
        yield Case(
            "no request at all",
            alert,
            predictions(alert, (0, 120, 0)),
            at="1h",
            window="1h",
        )
        yield Case(
            "what fails over gRPC",
            alert,
            predictions(alert, (100, 60, 0), (100, 20, 1), route=INFER),
            at="40m",
            fires=PLANT,
            window="1h",
        )
        yield Case(
            "what is no prediction",
            alert,
            predictions(alert, (100, 60, 0), (100, 20, 1), route="/v2/health/ready"),
            at="40m",
            window="1h",
        )


def refused_by_code(code: str) -> dict[str, str]:
    """Return what is counted where every other prediction ends with a code."""
    return {
        series("predictor_requests_total", pod="a", route=INFER, code=each): "0+100x120"
        for each in ("OK", code)
    }


CODES = [
    Case(f"gRPC's {code}", "PredictorAvailabilityBurn", refused_by_code(code), "1h", fires, "1h")
    for code, fires in {
        **dict.fromkeys(("UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED", "DATA_LOSS"), PLANT),
        **dict.fromkeys(("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "400", "429"), None),
    }.items()
]


def scraped(*phases: tuple[int, int], every: int) -> str:
    """Return what is seen of a value at each so many steps; a phase is a value and its scrapes."""
    between = "_ " * (every - 1)
    return " ".join(f"{value} {between}" * scrapes for value, scrapes in phases)


_READY = 'kube_deployment_status_replicas_ready{namespace="plant",deployment="%s",job="ksm"}'
_RESTARTS = (
    "kube_pod_container_status_restarts_total"
    '{namespace="plant",container="kserve-container",job="ksm",pod="%s"}'
)
_DEPLOYMENT = {"namespace": "plant", "deployment": "energy-predictor", "job": "energy"}
_UP = series("up", pod="a"), series("up", pod="b")

PODS = [
    Case(
        "both pods are gone",
        "PredictorNoReadyPod",
        {_READY % "energy-predictor": "2x10 0x10"},
        at="8m",
        fires=_DEPLOYMENT,
    ),
    Case(
        "the first pods start",
        "PredictorNoReadyPod",
        {_READY % "energy-predictor": "0 0 0 0 1 2x10"},
        at="90s",
    ),
    Case(
        "another Deployment has none",
        "PredictorNoReadyPod",
        {_READY % "energy-predictor": "2x20", _READY % "other-predictor": "0x20"},
        at="8m",
    ),
    Case("there is no target", "PredictorNothingScraped", {}, at="6m", fires=PLANT),
    Case(
        "no target answers",
        "PredictorNothingScraped",
        dict.fromkeys(_UP, "1 0x20"),
        at="6m",
        fires=PLANT,
    ),
    Case(
        "one of two answers",
        "PredictorNothingScraped",
        dict(zip(_UP, ("1x20", "0x20"), strict=True)),
        at="6m",
    ),
    Case(
        "a pod crashes again and again",
        "PredictorRestarts",
        {_RESTARTS % "energy-predictor-6f7c-x2x4z": "0x20 1x20 2x20 3x20"},
        at="40m",
        fires={"namespace": "plant", "job": "energy"},
    ),
    Case(
        "two restarts, between two scrapes",
        "PredictorRestarts",
        {_RESTARTS % "energy-predictor-6f7c-x2x4z": scraped((0, 20), (1, 20), (2, 40), every=2)},
        at="2415s",
        every="15s",
    ),
    Case(
        "three restarts, between two scrapes",
        "PredictorRestarts",
        {_RESTARTS % "energy-predictor-6f7c-x2x4z": scraped((0, 20), (1, 20), (3, 40), every=2)},
        at="2415s",
        fires={"namespace": "plant", "job": "energy"},
        every="15s",
    ),
    Case(
        "a rollout, and one restart",
        "PredictorRestarts",
        {
            _RESTARTS % "energy-predictor-6f7c-x2x4z": "0x20 1x60",
            _RESTARTS % "energy-predictor-9d8b-a1b2c": "_x40 0x40",
            _RESTARTS % "energy-predictor-9d8b-d3e4f": "_x42 0x38",
        },
        at="40m",
    ),
    Case(
        "a pod of another release crashes",
        "PredictorRestarts",
        {_RESTARTS % "energy-predictor-predictor-6f7c-x2x4z": "0+1x80"},
        at="40m",
    ),
]


def reloads(damaged: str, loaded: str = "0x420", unchanged: str = "0x420") -> dict[str, str]:
    """Return how often what a pod found was refused, loaded, and what it serves."""
    counted = {"damaged": damaged, "loaded": loaded, "unchanged": unchanged}
    name = "predictor_reloads_total"
    return {series(name, pod="a", outcome=key): value for key, value in counted.items()}


_FAILING = "PredictorReloadFailing"
_POD = PLANT | {"pod": "a"}


def soon_after(scrapes: int) -> Iterator[Case]:
    """Yield one that was refused so many scrapes after a good one came, and the other way round."""
    first, second = "0x160 1x400", f"0x{160 + scrapes} 1x400"
    for what, given, fires in (
        ("a good one came, and another one was refused", reloads(second, first), _POD),
        ("one was refused, and a good one came", reloads(first, second), None),
    ):
        later = f"{what} {15 * scrapes} seconds later"
        yield Case(later, _FAILING, given, "60m", fires, every="15s")


# Not longer: promtool takes 10,000 samples at once.
RELOADS = [
    Case(
        "one was refused an hour and a half ago, and no other came",
        _FAILING,
        reloads("0x20 1x400"),
        at="100m",
        fires=_POD,
    ),
    Case(
        "one was refused, and a good one came a minute later",
        _FAILING,
        reloads("0x20 1x400", "0x22 1x400"),
        at="100m",
    ),
    Case(
        "one was refused, and the one that is served was put back",
        _FAILING,
        reloads("0x20 1x400", unchanged="0x60 1x400"),
        at="100m",
    ),
    Case(
        "a good one came, and another one was refused five minutes later",
        _FAILING,
        reloads("0x40 1x400", "0x30 1x400"),
        at="100m",
        fires=_POD,
    ),
    Case("only good ones came", _FAILING, reloads("0x400", "0+1x400"), at="60m"),
]


def autoscaler(desired: str, least: int, most: int, name: str = "energy") -> dict[str, str]:
    """Return what kube-state-metrics tells of an autoscaler."""
    labels = f'{{namespace="plant",horizontalpodautoscaler="{name}",job="ksm"}}'
    of = "kube_horizontalpodautoscaler"
    return {
        f"{of}_status_desired_replicas{labels}": desired,
        f"{of}_spec_max_replicas{labels}": f"{most}x80",
        f"{of}_spec_min_replicas{labels}": f"{least}x80",
    }


_AT_MAXIMUM = "PredictorAutoscalerAtMaximum"
AUTOSCALER = [
    Case(
        "it wants all that it may for half an hour",
        _AT_MAXIMUM,
        autoscaler("2x10 6x70", 2, 6),
        at="30m",
        fires=PLANT | {"horizontalpodautoscaler": "energy"},
    ),
    Case("it wants its least", _AT_MAXIMUM, autoscaler("2x80", 2, 6), at="30m"),
    Case("it wants all for ten minutes", _AT_MAXIMUM, autoscaler("2x40 6x20 5x20", 2, 6), at="30m"),
    Case("its least is its most", _AT_MAXIMUM, autoscaler("4x80", 4, 4), at="30m"),
    Case("another one wants all", _AT_MAXIMUM, autoscaler("6x80", 2, 6, "other"), at="30m"),
    Case(
        "KEDA's wants all",
        _AT_MAXIMUM,
        autoscaler("6x80", 2, 6, "keda-hpa-energy"),
        at="30m",
        fires=PLANT | {"horizontalpodautoscaler": "keda-hpa-energy"},
        sets=("autoscaling.enabled=false", "keda.enabled=true", "keda.prometheusAddress=http://p"),
    ),
]


def doubts(rows: float, doubtful: float) -> dict[str, str]:
    """Return what is counted of so many rows a minute, of which some are in doubt."""
    counted = {"pod": "a", "model_name": "energy"}
    of_warning = {**counted, "warning": "fractional_power_factor"}
    return {
        series("predictor_rows_total", **counted): f"0+{rows}x360",
        series("predictor_warnings_total", **of_warning): f"0+{doubtful}x360",
    }


_INCONSISTENT = "PredictorDataInconsistent"
DATA = [
    Case(
        "one row of five is in doubt",
        _INCONSISTENT,
        doubts(10, 2),
        at="6h",
        fires=PLANT | {"model_name": "energy", "warning": "fractional_power_factor"},
        every="1m",
    ),
    Case("one row of twenty is in doubt", _INCONSISTENT, doubts(20, 1), at="6h", every="1m"),
    Case("nine rows are in doubt", _INCONSISTENT, doubts(0.1, 0.025), at="6h", every="1m"),
    Case("there are no rows", _INCONSISTENT, doubts(0, 0), at="6h", every="1m"),
]

SOON = [case for scrapes in (1, 2, 3) for case in soon_after(scrapes)]

CASES = [*burning(), *bursts(), *CODES, *PODS, *RELOADS, *SOON, *AUTOSCALER, *DATA]
