"""A rule of a protocol, as something that can be asked of a server."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, NamedTuple

from predictor.conformance.client import Request
from predictor.conformance.expected import refused
from predictor.conformance.subject import Subject

Level = Literal["MUST", "SHOULD"]
Check = Callable[[Subject], None]
Build = Callable[[Subject], Request]


@dataclass(frozen=True)
class Case:
    """A rule, the document that it stands in, and its check.

    MUST: the document demands it, by its words or by the type it gives a field. SHOULD: it
    recommends it, two documents differ, or it is what HTTP means. The check returns, or raises
    Violation or Skipped. `invalid` is the request that the rule says is to be refused.
    """

    id: str
    level: Level
    source: str
    rule: str
    check: Check
    invalid: Build | None = None


def case(name: str, level: Level, source: str) -> Callable[[Check], Case]:
    """Make a case of a check; the rule is its docstring."""

    def made(check: Check) -> Case:
        return Case(name, level, source, sentence(check), check)

    return made


def refusal(name: str, level: Level, source: str) -> Callable[[Build], Case]:
    """Make a case of an invalid request, which is to be refused; the rule is its docstring."""

    def made(build: Build) -> Case:
        def check(subject: Subject) -> None:
            refused(subject.send(build(subject)))

        return Case(name, level, source, sentence(build), check, build)

    return made


class Pair(NamedTuple):
    """The same rule for both protocols."""

    v1: Case
    v2: Case


def cases_of(module: ModuleType) -> list[Case]:
    """Return a module's cases in the order in which they are written."""
    found: list[Case] = []
    for value in vars(module).values():
        if type(value) is Case:
            found.append(value)
        elif type(value) is Pair:
            found += value
    return found


def sentence(function: Callable[..., object]) -> str:
    """Return a function's docstring in one line."""
    return " ".join((function.__doc__ or "").split())
