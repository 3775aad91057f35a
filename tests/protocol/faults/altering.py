"""Servers that break a rule: the real one, with one thing altered on the way to it or back."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from predictor.conformance.client import Answer, Client, Request

JSON = "application/json"
Body = dict[str, Any]
Alter = Callable[[Request, Answer], Answer]
Divert = Callable[[Request], Request]


def unchanged(request: Request) -> Request:
    return request


@dataclass(frozen=True)
class Fault:
    """What a server does wrong, and the ids, or patterns of ids, of the rules that this breaks."""

    name: str
    breaks: tuple[str, ...]
    alter: Alter = lambda _, answer: answer
    divert: Divert = unchanged

    def is_expected(self, case_id: str) -> bool:
        return any(fnmatch.fnmatchcase(case_id, pattern) for pattern in self.breaks)


@dataclass(frozen=True)
class Faulty(Client):
    """A client to which a server seems to have a fault."""

    fault: Fault = Fault("none", ())

    def send(self, request: Request) -> Answer:
        answer = super().send(self.fault.divert(request))
        return replace(self.fault.alter(request, answer), request=request)


def faulty(client: Client, fault: Fault) -> Faulty:
    return Faulty(**vars(client), fault=fault)


def answered(answer: Answer, status: int, body: object = None) -> Answer:
    content = b"" if body is None else msgspec.json.encode(body)
    headers = {name: v for name, v in answer.headers.items() if not name.startswith("inference")}
    return replace(answer, status=status, body=content, headers={**headers, "content-type": JSON})


def is_to(request: Request, pattern: str) -> bool:
    """Whether a request's method and path match a pattern as a whole."""
    return bool(re.fullmatch(pattern, f"{request.method} {request.path}"))


def body_of(request: Request) -> Body:
    """Return a request's JSON object; an empty one for what has none."""
    try:
        return msgspec.json.decode(request.body or b"", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def edited(pattern: str, edit: Callable[[Body], object]) -> Alter:
    """Edit the JSON of good answers; those with bytes behind the JSON are left."""

    def alter(request: Request, answer: Answer) -> Answer:
        binary = "inference-header-content-length" in answer.headers
        if answer.status != 200 or binary or not is_to(request, pattern):
            return answer
        body = msgspec.json.decode(answer.body, type=dict[str, Any])
        edit(body)
        return replace(answer, body=msgspec.json.encode(body))

    return alter


def instead(pattern: str, status: int, body: object = None) -> Alter:
    """Answer some requests with something else."""

    def alter(request: Request, answer: Answer) -> Answer:
        return answered(answer, status, body) if is_to(request, pattern) else answer

    return alter


def when(condition: Callable[[Request], object], status: int, body: object = None) -> Alter:
    """Answer some requests with something else."""

    def alter(request: Request, answer: Answer) -> Answer:
        return answered(answer, status, body) if condition(request) else answer

    return alter


def errors(pattern: str, change: Callable[[Request, Answer], Answer]) -> Alter:
    """Change the errors that some requests get."""

    def alter(request: Request, answer: Answer) -> Answer:
        wrong = answer.status >= 400 and is_to(request, pattern)
        return change(request, answer) if wrong else answer

    return alter


def rewritten(pattern: str, edit: Callable[[Body], object]) -> Divert:
    """Edit the JSON of some requests before the server gets them."""

    def divert(request: Request) -> Request:
        body = body_of(request)
        if not body or not is_to(request, pattern):
            return request
        edit(body)
        return replace(request, body=msgspec.json.encode(body))

    return divert


def header(request: Request, name: str = "Content-Type") -> str:
    return request.headers.get(name, "")


def detail(_: Request, answer: Answer) -> Answer:
    return answered(answer, answer.status, {"detail": "no"})


def server_error(_: Request, answer: Answer) -> Answer:
    return replace(answer, status=500)


def put(*path: str | int, to: object) -> Callable[[Any], None]:
    """Return an edit that sets one member, deep in a body."""

    def edit(body: Any) -> None:  # noqa: ANN401 - any JSON
        *outer, last = path
        for step in outer:
            body = body[step]
        body[last] = to

    return edit
