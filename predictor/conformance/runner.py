"""Every rule asked of one server, and what came of it, as a table or as JSON."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from predictor.conformance import binary, infer, metadata, refusals, transport, v1
from predictor.conformance.case import Case, cases_of
from predictor.conformance.client import Client, NoAnswer, Request
from predictor.conformance.expected import Models, Skipped, Violation, decoded
from predictor.conformance.subject import Subject
from predictor.errors import ServerError

Outcome = Literal["pass", "FAIL", "skipped"]
PROTOCOLS = ("v1", "v2")
CASES = [
    case
    for module in (v1, metadata, infer, refusals, binary, transport)
    for case in cases_of(module)
]


@dataclass(frozen=True)
class Result:
    """What came of a case; the reason is that of a failure or of a skipped case."""

    case: Case
    outcome: Outcome
    reason: str = ""

    @property
    def breaks(self) -> bool:
        """Whether the server breaks what it must keep."""
        return self.outcome == "FAIL" and self.case.level == "MUST"


def run(subject: Subject, protocols: Collection[str] = PROTOCOLS) -> Iterator[Result]:
    """Yield the result of each case of some protocols, in the order of the reference."""
    for case in CASES:
        if case.id.partition(".")[0] in protocols:
            yield judge(case, subject)


def judge(case: Case, subject: Subject) -> Result:
    """Return what comes of one case."""
    try:
        case.check(subject)
    except (Violation, NoAnswer) as violation:
        return Result(case, "FAIL", str(violation))
    except Skipped as skipped:
        return Result(case, "skipped", str(skipped))
    return Result(case, "pass")


def only_model(client: Client) -> str:
    """Return the name of a server's only model; raises ServerError when it does not tell."""
    try:
        found = decoded(client.send(Request("GET", "/v1/models")), Models).models
    except Violation as violation:
        message = f"the server does not tell its models, give --model: {violation}"
        raise ServerError(message) from violation
    if len(found) != 1:
        message = f"the server has the models {', '.join(found) or 'none'}: give --model"
        raise ServerError(message)
    return found[0]


def line(result: Result) -> str:
    """Return a result as a line of the table, and its reason below it."""
    case = result.case
    shown = f"{result.outcome:<8}{case.level:<8}{case.id}"
    if not result.reason:
        return shown
    if result.outcome == "skipped":
        return f"{shown}: {result.reason}"
    return f"{shown}\n          {case.rule} [{case.source}]\n          {result.reason}"


def summary(results: Collection[Result]) -> str:
    """Return the counts of all results in one line."""
    failed = {
        level: sum(r.outcome == "FAIL" and r.case.level == level for r in results)
        for level in ("MUST", "SHOULD")
    }
    passed = sum(result.outcome == "pass" for result in results)
    skipped = sum(result.outcome == "skipped" for result in results)
    failures = f"{failed['MUST']} MUST and {failed['SHOULD']} SHOULD failed"
    return f"{len(results)} rules: {passed} passed, {failures}, {skipped} skipped"


def as_json(results: Collection[Result]) -> str:
    """Return the results for programs."""
    found = [
        {
            "id": result.case.id,
            "level": result.case.level,
            "outcome": result.outcome.lower(),
            "source": result.case.source,
            "rule": result.case.rule,
            "reason": result.reason,
        }
        for result in results
    ]
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def require_kept(results: Collection[Result]) -> None:
    """Raise ServerError when a rule that a server must keep is broken."""
    broken = [result.case.id for result in results if result.breaks]
    if broken:
        message = f"the server breaks what it must keep: {', '.join(broken)}"
        raise ServerError(message)
