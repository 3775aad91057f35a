"""What scanners find and we keep."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.scan.scanners import Finding


class Exemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of exceptions.yaml: rules by scanner, and where they may be broken."""

    rules: dict[str, list[str]]
    reason: str
    where: str = ""

    def covers(self, scanner: str, found: Finding) -> bool:
        """Tell whether a finding is kept for this reason."""
        is_here = re.match(self.where, f"{found.place}: {found.text}") is not None
        return is_here and found.rule in self.rules.get(scanner, [])


EXCEPTIONS = msgspec.yaml.decode(
    (Path(__file__).parent / "exceptions.yaml").read_bytes(), type=list[Exemption]
)


def uncovered(scanner: str, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of a scanner that are no exceptions."""
    return [it for it in findings if not any(known.covers(scanner, it) for known in EXCEPTIONS)]
