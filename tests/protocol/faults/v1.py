"""Faults of V1."""

from tests.protocol.faults.altering import (
    Body,
    Fault,
    answered,
    body_of,
    detail,
    edited,
    errors,
    instead,
    is_to,
    put,
    server_error,
    when,
)

MODEL = "/v1/models/energy"
PREDICT = f"POST {MODEL}:predict"
ANY_PREDICT = "POST /v1/models/[^/]*:predict"
ERROR = {"error": "no"}
REFUSALS = (
    "v1.predict.array",
    "v1.predict.both-keys",
    "v1.predict.no-rows",
    "v1.predict.not-json",
    "v1.predict.null-row",
    "v1.predict.unknown-model",
)


def renamed(body: Body) -> None:
    body["results"] = body.pop("predictions")


def fewer(body: Body) -> None:
    body["predictions"].pop()


def doubled(body: Body) -> None:
    body["predictions"] = [2 * value for value in body["predictions"]]


FAULTS = (
    Fault("no models", ("v1.models",), edited("GET /v1/models", put("models", to=[]))),
    Fault("not ready", ("v1.model",), edited(f"GET {MODEL}", put("ready", to=False))),
    Fault(
        "every model is there",
        ("v1.model.unknown", "v1.model.unknown.status"),
        instead("GET /v1/models/conformance-unknown", 200, {}),
    ),
    Fault(
        "an unknown model is a bad request",
        ("v1.model.unknown.status",),
        instead("GET /v1/models/conformance-unknown", 400, ERROR),
    ),
    Fault(
        "nothing is predicted",
        ("v1.predict", "v1.predict.predictions", "v1.http.client-error", "v1.http.text"),
        instead(PREDICT, 500, ERROR),
    ),
    Fault("predictions are results", ("v1.predict.predictions",), edited(PREDICT, renamed)),
    Fault(
        "a prediction is missing",
        ("v1.predict.count", "v1.predict.as-v2"),
        edited(PREDICT, fewer),
    ),
    Fault(
        "inputs are not known",
        ("v1.predict.inputs",),
        when(lambda r: is_to(r, PREDICT) and "instances" not in body_of(r), 400, ERROR),
    ),
    Fault(
        "signature_name is not known",
        ("v1.predict.signature-name",),
        when(lambda r: "signature_name" in body_of(r), 400, ERROR),
    ),
    Fault("numbers are not V2's", ("v1.predict.as-v2",), edited(PREDICT, doubled)),
    Fault(
        "both keys are taken",
        ("v1.predict.both-keys",),
        when(lambda r: {"instances", "inputs"} <= set(body_of(r)), 200, {"predictions": []}),
    ),
    Fault(
        "everything is answered",
        REFUSALS,
        errors(ANY_PREDICT, lambda _, answer: answered(answer, 200, {"predictions": []})),
    ),
    Fault(
        "errors are details",
        (
            *REFUSALS,
            "v1.model.unknown",
            "v1.explain",
            "v1.http.method.error",
            "v1.http.path",
            "v1.http.text",
        ),
        errors(".* /v1/.*", detail),
    ),
    Fault("explain has errors of its own", ("v1.explain",), errors(".*:explain", detail)),
    Fault(
        "bad input is the server's fault",
        ("v1.http.client-error", "v1.http.text"),
        errors(ANY_PREDICT, server_error),
    ),
)
