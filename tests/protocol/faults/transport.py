"""Faults in HTTP, in both protocols at once."""

from dataclasses import replace

from predictor.conformance.client import JSON, Answer, Request
from predictor.conformance.transport import MARK
from tests.protocol.faults.altering import Alter, Fault, answered, errors, header, instead, when
from tests.protocol.faults.v2 import ERROR, LENGTH

POSTS = "GET (/v1/models/energy:predict|/v2/models/energy/infer)"


def as_html(_: Request, answer: Answer) -> Answer:
    if LENGTH.lower() in answer.headers:
        return answer
    return replace(answer, headers={**answer.headers, "content-type": "text/html"})


def without_allow(_: Request, answer: Answer) -> Answer:
    return replace(answer, headers={k: v for k, v in answer.headers.items() if k != "allow"})


def traced(_: Request, answer: Answer) -> Answer:
    return answered(answer, answer.status, {"error": 'Traceback: File "server.py", line 1'})


def echoed(request: Request, answer: Answer) -> Answer:
    return answered(answer, answer.status, {"error": str(dict(request.headers))})


def breaking() -> Alter:
    """Refuse everything after the first invalid request that is marked as such."""
    broken: list[Request] = []

    def alter(request: Request, answer: Answer) -> Answer:
        if MARK in request.headers.values():
            broken.append(request)
        elif broken and header(request) == JSON:
            return answered(answer, 503, ERROR)
        return answer

    return alter


FAULTS = (
    Fault("a charset", ("v?.http.charset",), when(lambda r: "charset" in header(r), 415, ERROR)),
    Fault("case", ("v?.http.media-type",), when(lambda r: "Appl" in header(r), 415, ERROR)),
    Fault("chunks", ("v?.http.chunked",), when(lambda r: r.chunked, 411, ERROR)),
    Fault("JSON is called HTML", ("v?.http.content-type",), as_html),
    Fault(
        "every method is taken",
        ("v?.http.method", "v?.http.method.error"),
        instead(POSTS, 200, {}),
    ),
    Fault("no method is named", ("v?.http.method.allow",), without_allow),
    Fault(
        "a path that is not there has no error",
        ("v?.http.path",),
        instead("GET /v[12]/conformance/unknown", 404),
    ),
    Fault("HEAD is not known", ("v?.http.head",), instead("HEAD .*", 405)),
    Fault("text breaks it", ("v?.http.text",), when(lambda r: "text" in header(r), 500, ERROR)),
    Fault("errors are traces", ("v?.http.trace",), errors(".*", traced)),
    Fault("errors echo headers", ("v?.http.secret",), errors(".*", echoed)),
    Fault("an invalid request breaks it", ("v?.http.alive",), breaking()),
)
