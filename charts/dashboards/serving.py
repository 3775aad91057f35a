"""Serving: the objectives, the requests, and what may run out."""

from charts.dashboards.kinds import Json
from charts.dashboards.objectives import OBJECTIVES
from charts.dashboards.panels import (
    RED,
    Panel,
    dashboard,
    mean,
    quantile,
    rate,
    selected,
    total,
)

# The routes that predict; the objectives are about them.
PREDICTS = (
    'route=~"/v1/models/[^/]+:predict|/v2/models/[^/]+(/versions/[^/]+)?/infer|/predict(/batch)?'
    '|/inference.GRPCInferenceService/ModelInfer"'
)
REQUESTS, SECONDS = "predictor_requests_total", "predictor_request_seconds"

TRAFFIC = (
    "Requests",
    Panel(
        "timeseries",
        "Predictions asked for, by protocol",
        "Requests for a prediction a second. Normal follows your clients' day; a sudden fall to 0 "
        "is a client or a route that is down, a sudden rise often one that tries again and again.",
        "reqps",
        {"{{protocol}}": total(rate(REQUESTS, PREDICTS), "protocol")},
        is_stacked=True,
    ),
    Panel(
        "timeseries",
        "Requests, by route",
        "All requests a second, those for health and metrics too. `other` is a path that does not "
        "exist: more than a little of it is a client with a wrong address, or a scan.",
        "reqps",
        {"{{route}}": total(rate(REQUESTS), "route")},
    ),
    Panel(
        "timeseries",
        "Requests that were not answered well, by status",
        "Answers a second that are neither 2xx nor OK. 4xx and INVALID_ARGUMENT are the clients' "
        "mistakes; 5xx, INTERNAL, UNKNOWN and UNAVAILABLE are the server's. No data: all is well.",
        "reqps",
        {"{{protocol}} {{code}}": total(rate(REQUESTS, 'code!~"2..|OK"'), "protocol", "code")},
        alert="PredictorAvailabilityBurn",
    ),
    Panel(
        "timeseries",
        "Time to answer a prediction",
        "From the request's arrival to its answer, over all pods. Within 25 ms is the objective; "
        "a single row normally takes below a few. When p99 alone rises, look for large batches.",
        "s",
        {f"p{share * 100:g}": quantile(share, SECONDS, PREDICTS) for share in (0.5, 0.9, 0.99)},
        thresholds=((RED, 0.025),),
        alert="PredictorLatencyBurn",
    ),
    Panel(
        "timeseries",
        "p99 of the time to answer, by route",
        "What the slowest hundredth of requests takes on each route. A route that stands out has "
        "clients that send large batches.",
        "s",
        {"{{route}}": quantile(0.99, SECONDS, PREDICTS, by=("route",))},
    ),
    Panel(
        "timeseries",
        "Time in each step",
        "The mean time of a request in decoding, in the model and in encoding, one on another. "
        "What grows says where to look: the model's with rows a request, the others' with bytes.",
        "s",
        {
            step: mean(f"request_{step}_seconds")
            for step in ("preprocess", "predict", "postprocess")
        },
        is_stacked=True,
    ),
    Panel(
        "heatmap",
        "Times to answer",
        "How many predictions a second took how long: the darker, the more. Normal is one dark "
        "band; a second band above it is another kind of request, or a pod that is short of CPU.",
        "s",
        {"{{le}}": total(rate(f"{SECONDS}_bucket", PREDICTS), "le")},
        width=16,
    ),
    Panel(
        "timeseries",
        "Rows of one run of the model",
        "Requests that arrive together are predicted together. 1 is one request of one row at a "
        "time; more under load is normal, and saves time.",
        "short",
        {
            "mean": mean("predictor_batch_rows"),
            "p99": quantile(0.99, "predictor_batch_rows"),
        },
    ),
)


def _by_pod(metric: str) -> dict[str, str]:
    return {"{{pod}}": total(metric, "pod")}


SATURATION = (
    "What may run out",
    Panel(
        "timeseries",
        "Requests in flight",
        "Requests that have come and are not answered, over all pods. Normal is a few; a number "
        "that stays high means that pods are too few, or clients slow to send.",
        "short",
        {"{{protocol}}": total(selected("predictor_requests_in_flight"), "protocol")},
        is_stacked=True,
        alert="PredictorAutoscalerAtMaximum",
        width=6,
    ),
    Panel(
        "timeseries",
        "Refused for overload",
        "Requests a second that were refused at once, since they would have waited too long "
        "(`queue`, `late`) or taken too much (`memory`). Should be 0: add pods.",
        "reqps",
        {"{{reason}}": total(rate("predictor_rejected_total"), "reason")},
        alert="PredictorAutoscalerAtMaximum",
        width=6,
    ),
    Panel(
        "timeseries",
        "Not let in, and cut off",
        "Requests a second without leave to ask, and connections ended for what came over them. "
        "A little is normal on a public address; a jump is a client whose key has run out.",
        "reqps",
        {
            "denied: {{reason}}": total(rate("predictor_denied_total"), "reason"),
            "cut: {{reason}}": total(rate("predictor_connections_cut_total"), "reason"),
        },
        width=6,
    ),
    Panel(
        "timeseries",
        "Lag of the event loop",
        "By how much later than due a worker does what is due. Below 10 ms is normal; above it "
        "every request waits: the worker is short of CPU, or decodes very large bodies.",
        "s",
        {
            f"p{share * 100:g}": quantile(share, "predictor_event_loop_lag_seconds")
            for share in (0.5, 0.99)
        },
        alert="PredictorLatencyBurn",
        width=6,
    ),
    Panel(
        "timeseries",
        "CPUs used, by pod",
        "CPUs that each pod is busy on, over all of its workers. At its limit (2 unless set) a pod "
        "is slowed down; one far above the others gets more than its share of connections.",
        "none",
        _by_pod(rate("process_cpu_seconds_total")),
        alert="PredictorAutoscalerAtMaximum",
    ),
    Panel(
        "timeseries",
        "Memory, by pod",
        "Resident memory of all workers of each pod. Normal is level after the first minutes; a "
        "pod that reaches its limit (2 GiB unless set) is killed.",
        "bytes",
        _by_pod(selected("process_resident_memory_bytes")),
        alert="PredictorRestarts",
    ),
    Panel(
        "timeseries",
        "Open files, by pod",
        "Files and connections that each pod holds. Normal follows the number of clients; one that "
        "only rises is of clients that never close.",
        "short",
        _by_pod(selected("process_open_fds")),
    ),
)


def serving() -> Json:
    """Return the dashboard."""
    return dashboard(
        "serving",
        "Energy predictor / Serving",
        "Whether predictions come, how fast, and what may run out",
        *OBJECTIVES,
        *TRAFFIC,
        *SATURATION,
    )
