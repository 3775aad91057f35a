"""Faults of V2's health, metadata and versions, and of what it refuses."""

from dataclasses import replace

from predictor.conformance.client import JSON, Request
from tests.protocol.faults.altering import (
    Body,
    Fault,
    answered,
    body_of,
    detail,
    edited,
    errors,
    header,
    instead,
    is_to,
    put,
    rewritten,
    server_error,
    when,
)

MODEL = "/v2/models/energy"
INFER = f"POST {MODEL}/infer"
VERSION = f"{MODEL}/versions/[0-9a-f]+"
UNKNOWN = "/v2/models/conformance-unknown"
ERROR = {"error": "no"}
LENGTH = "Inference-Header-Content-Length"
REFUSALS = (
    "v2.infer.array",
    "v2.infer.deep",
    "v2.infer.empty",
    "v2.infer.id.number",
    "v2.infer.input.*",
    "v2.infer.inputs-object",
    "v2.infer.missing-input",
    "v2.infer.nan",
    "v2.infer.no-inputs",
    "v2.infer.not-json",
    "v2.infer.not-utf-8",
    "v2.infer.outputs.no-name",
    "v2.infer.outputs.unknown",
    "v2.infer.unknown-input",
    "v2.infer.unknown-model",
    "v2.binary.header.*",
    "v2.binary.input.less",
    "v2.binary.input.more",
)


def one_more(body: Body) -> None:
    body["outputs"].append({"name": "extra", "datatype": "FP64", "shape": [-1]})


def capitals(body: Body) -> None:
    inputs = body.get("inputs")
    for tensor in inputs if type(inputs) is list else []:
        if "datatype" in tensor:
            tensor["datatype"] = tensor["datatype"].upper()


def of_any_version(request: Request) -> Request:
    return replace(request, path=request.path.replace("/versions/conformance-unknown", ""))


def of_any_case(request: Request) -> Request:
    return replace(request, path=request.path.lower())


def is_broken(request: Request) -> bool:
    plain = header(request) == JSON and LENGTH not in request.headers
    return plain and is_to(request, INFER) and not body_of(request)


HEALTH = tuple(
    fault
    for name, path in {
        "live": "/v2/health/live",
        "ready": "/v2/health/ready",
        "model-ready": f"{MODEL}/ready",
    }.items()
    for fault in (
        Fault(f"{name} is false", (f"v2.{name}",), instead(f"GET {path}", 503)),
        Fault(
            f"{name} says something else",
            (f"v2.{name}.body",),
            instead(f"GET {path}", 200, {"status": "well"}),
        ),
    )
)
METADATA = (
    Fault(
        "every model is ready",
        ("v2.model-ready.unknown",),
        instead(f"GET {UNKNOWN}/ready", 200, {}),
    ),
    Fault(
        "the server has no extensions",
        ("v2.server-metadata",),
        edited("GET /v2", lambda body: body.pop("extensions")),
    ),
    Fault(
        "the model has no platform",
        ("v2.model-metadata",),
        edited(f"GET {MODEL}", lambda body: body.pop("platform")),
    ),
    Fault(
        "versions are null",
        ("v2.model-metadata.nulls", "v2.infer.model-version.unversioned"),
        edited(f"GET {MODEL}", put("versions", to=None)),
    ),
    Fault(
        "the model has another name",
        ("v2.model-metadata.name",),
        edited(f"GET {MODEL}", put("name", to="power")),
    ),
    Fault(
        "datatypes are NumPy's",
        ("v2.model-metadata.datatypes", "v2.model-metadata.inputs"),
        edited(f"GET {MODEL}", put("inputs", 0, "datatype", to="float64")),
    ),
    Fault(
        "a variable size is -2",
        ("v2.model-metadata.shapes",),
        edited(f"GET {MODEL}", put("inputs", 0, "shape", to=[-2])),
    ),
    Fault(
        "the platform is none of the list",
        ("v2.model-metadata.platform",),
        edited(f"GET {MODEL}", put("platform", to="onnx")),
    ),
    Fault(
        "an input is not told",
        ("v2.model-metadata.inputs",),
        edited(f"GET {MODEL}", lambda body: body["inputs"].pop()),
    ),
    Fault(
        "an output is told that is none", ("v2.infer.outputs",), edited(f"GET {MODEL}", one_more)
    ),
    Fault(
        "every model has metadata",
        ("v2.model-metadata.unknown",),
        instead(f"GET {UNKNOWN}", 200, {}),
    ),
    Fault("names have no case", ("v2.model-metadata.case",), divert=of_any_case),
    Fault(
        "datatypes have no case",
        ("v2.infer.input.datatype.case",),
        divert=rewritten(INFER, capitals),
    ),
)
VERSIONS = (
    Fault("no version has metadata", ("v2.version",), instead(f"GET {VERSION}", 404, ERROR)),
    Fault("no version is ready", ("v2.version.ready",), instead(f"GET {VERSION}/ready", 404)),
    Fault("no version infers", ("v2.infer.version",), instead(f"POST {VERSION}/infer", 404, ERROR)),
    Fault(
        "every version is there",
        ("v2.version.unknown", "v2.infer.version.unknown"),
        divert=of_any_version,
    ),
    Fault(
        "another version answers",
        ("v2.infer.model-version", "v2.infer.version"),
        edited("POST .*/infer", put("model_version", to="other")),
    ),
    Fault(
        "a version answers that is not announced",
        ("v2.infer.model-version.unversioned",),
        edited(f"GET {MODEL}", lambda body: body.pop("versions")),
    ),
)
REFUSING = (
    Fault(
        "everything is answered",
        (*REFUSALS, "v2.infer.version.unknown"),
        errors(
            "POST /v2/.*/infer",
            lambda _, answer: answered(answer, 200, {"model_name": "energy", "outputs": []}),
        ),
    ),
    Fault(
        "errors are details",
        (
            *REFUSALS,
            "v2.model-metadata.unknown",
            "v2.model-metadata.case",
            "v2.version.unknown",
            "v2.infer.version.unknown",
            "v2.infer.coercion",
            "v2.http.method.error",
            "v2.http.path",
            "v2.http.text",
        ),
        errors(".* /v2/.*", detail),
    ),
    Fault(
        "bad input is the server's fault",
        ("v2.http.client-error", "v2.http.text"),
        errors("POST /v2/.*/infer", server_error),
    ),
    Fault(
        "what is not JSON is the server's fault",
        ("v2.http.client-error",),
        when(is_broken, 500, ERROR),
    ),
    Fault(
        "a value of another type breaks it",
        ("v2.infer.coercion",),
        when(lambda r: b'"data":["conformance"' in (r.body or b""), 500),
    ),
)
FAULTS = (*HEALTH, *METADATA, *VERSIONS, *REFUSING)
