"""What HTTP asks of a server, and a careful one does: the same for V1 and for V2."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from predictor.conformance import binary, refusals, v1
from predictor.conformance.case import Build, Case, Level, Pair, cases_of, sentence
from predictor.conformance.client import Answer, Request
from predictor.conformance.expected import Skipped, Violation, expect, refused
from predictor.conformance.subject import Subject

SEMANTICS = "RFC 9110, HTTP Semantics"
SENSITIVE = "CWE-209, Generation of Error Message Containing Sensitive Information"
TRACES = (b"Traceback (most recent call last)", b'File \\"', b".py:")
MARK = "conformance-mark-5f3a9c"  # of a header that no answer may show


@dataclass(frozen=True)
class Protocol:
    """A protocol: its name in ids, a page of it, and its valid and invalid requests.

    `require` raises Skipped unless the valid request was answered before.
    """

    name: str
    page: Callable[[Subject], str]
    valid: Build
    require: Callable[[Subject], object]
    invalid: tuple[Case, ...]

    def refusals(self, subject: Subject) -> Iterator[tuple[str, Answer]]:
        """Yield the id of each invalid request that can be made, and the answer to it."""
        for case in self.invalid:
            with suppress(Skipped):
                if case.invalid:
                    request = case.invalid(subject)
                    headers = {**request.headers, "X-Conformance": MARK}
                    yield case.id, subject.send(replace(request, headers=headers))


V1 = Protocol(
    name="v1",
    page=lambda _: "/v1/models",
    valid=Subject.predict,
    require=lambda subject: subject.predictions,
    invalid=tuple(cases_of(v1)),
)
V2 = Protocol(
    name="v2",
    page=Subject.v2_path,
    valid=Subject.infer,
    require=lambda subject: subject.response,
    invalid=(*cases_of(refusals), *cases_of(binary)),
)
Check = Callable[[Protocol, Subject], None]


def both(name: str, level: Level, source: str) -> Callable[[Check], Pair]:
    """Make a case of each protocol of a check; the rule is its docstring."""

    def made(check: Check) -> Pair:
        def of(protocol: Protocol) -> Case:
            label, rule = f"{protocol.name}.http.{name}", sentence(check)
            return Case(label, level, source, rule, partial(check, protocol))

        return Pair(of(V1), of(V2))

    return made


@both("charset", "MUST", "RFC 8259, JSON, section 11")
def charset(protocol: Protocol, subject: Subject) -> None:
    """No charset parameter is defined; adding one really has no effect on compliant recipients."""
    _expect_as_plain(protocol, subject, "application/json; charset=utf-8")


@both("media-type", "MUST", f"{SEMANTICS}, section 8.3.1")
def media_type(protocol: Protocol, subject: Subject) -> None:
    """The type and subtype tokens are case-insensitive."""
    _expect_as_plain(protocol, subject, "Application/JSON")


@both("chunked", "MUST", "RFC 9112, HTTP/1.1, section 7.1")
def chunked(protocol: Protocol, subject: Subject) -> None:
    """A recipient must be able to parse and decode the chunked transfer coding."""
    protocol.require(subject)
    answer = subject.send(replace(protocol.valid(subject), chunked=True))
    expect(answer.status == 200, answer, "status 200")


@both("content-type", "SHOULD", f"{SEMANTICS}, section 8.3")
def content_type(protocol: Protocol, subject: Subject) -> None:
    """A sender of content should say its type: that of both protocols' answers is JSON."""
    invalid = [answer for _, answer in protocol.refusals(subject)]
    for answer in (subject.send(protocol.valid(subject)), *invalid):
        found = answer.headers.get("content-type", "")
        expect(found.startswith("application/json"), answer, f"application/json, not {found!r}")


@both("method", "SHOULD", f"{SEMANTICS}, section 15.5.6")
def method(protocol: Protocol, subject: Subject) -> None:
    """405 says that the method is known, but not supported by the resource: GET, to predict."""
    answer = _get_of_a_post(protocol, subject)
    expect(answer.status == 405, answer, "status 405")


@both("method.allow", "MUST", f"{SEMANTICS}, section 15.5.6")
def allow(protocol: Protocol, subject: Subject) -> None:
    """The origin server must generate an Allow header field in a 405 response."""
    answer = _get_of_a_post(protocol, subject)
    if answer.status != 405:
        message = "the status is not 405"
        raise Skipped(message)
    found = answer.headers.get("allow", "")
    expect("POST" in found, answer, f"the header Allow: POST, not {found!r}")


@both("method.error", "SHOULD", "both protocols: an error has one form")
def method_error(protocol: Protocol, subject: Subject) -> None:
    """A method that is not supported is refused in the form of every error."""
    refused(_get_of_a_post(protocol, subject))


@both("path", "SHOULD", f"{SEMANTICS}, section 15.5.5; both protocols: an error has one form")
def path(protocol: Protocol, subject: Subject) -> None:
    """What is not there gets 404, in the form of every error."""
    answer = subject.get(f"/{protocol.name}/conformance/unknown")
    expect(answer.status == 404, answer, "status 404")
    refused(answer)


@both("head", "SHOULD", f"{SEMANTICS}, sections 9.1 and 9.3.2")
def head(protocol: Protocol, subject: Subject) -> None:
    """General-purpose servers must support GET and HEAD, which is GET without the content."""
    expected = subject.get(protocol.page(subject)).status
    answer = subject.send(Request("HEAD", protocol.page(subject)))
    expect(answer.status == expected, answer, f"status {expected}, as for GET")


@both("text", "SHOULD", f"{SEMANTICS}, section 15.5.16")
def text(protocol: Protocol, subject: Subject) -> None:
    """415 says that the content's format is not supported: text/plain is not, or it is read."""
    request = protocol.valid(subject)
    answer = subject.send(replace(request, headers={"Content-Type": "text/plain"}))
    if answer.status != 200:
        expect(answer.status in {400, 415}, answer, "status 415, or the answer as to JSON")
        refused(answer)


@both("client-error", "SHOULD", f"{SEMANTICS}, sections 15.5 and 15.6")
def client_error(protocol: Protocol, subject: Subject) -> None:
    """4xx says that the client seems to have erred, 5xx that the server is aware that it has."""
    answers = dict(protocol.refusals(subject))
    wrong = {name: a for name, a in answers.items() if a.status >= 500}
    if wrong:
        expected = f"4xx; of {len(answers)} invalid requests these get 5xx: {', '.join(wrong)}"
        raise Violation(next(iter(wrong.values())), expected)


@both("trace", "SHOULD", SENSITIVE)
def trace(protocol: Protocol, subject: Subject) -> None:
    """An error tells nothing of the server's inside: so no stack trace."""
    for _, answer in protocol.refusals(subject):
        expect(not any(mark in answer.body for mark in TRACES), answer, "no stack trace")


@both("secret", "SHOULD", SENSITIVE)
def secret(protocol: Protocol, subject: Subject) -> None:
    """An error does not give back the request's headers, which may hold a secret."""
    for _, answer in protocol.refusals(subject):
        expect(MARK.encode() not in answer.body, answer, "no header of the request")


@both("alive", "SHOULD", "both protocols: requests stand alone")
def alive(protocol: Protocol, subject: Subject) -> None:
    """A valid request is answered after invalid ones as before them."""
    protocol.require(subject)
    for _ in protocol.refusals(subject):
        pass
    answer = subject.send(protocol.valid(subject))
    expect(answer.status == 200, answer, "status 200, as before")


def _get_of_a_post(protocol: Protocol, subject: Subject) -> Answer:
    return subject.get(protocol.valid(subject).path)


def _expect_as_plain(protocol: Protocol, subject: Subject, content_type: str) -> None:
    protocol.require(subject)
    request = replace(protocol.valid(subject), headers={"Content-Type": content_type})
    answer = subject.send(request)
    expect(answer.status == 200, answer, "status 200")
