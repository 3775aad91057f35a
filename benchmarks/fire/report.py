"""Figures as Markdown tables, a line each and a column for each server, in docs/under-fire.md."""

import re
from datetime import UTC, datetime

from benchmarks.contenders import ROOT, versions
from benchmarks.fire.servers import Kind
from benchmarks.report import machine

Figures = dict[str, str]

PAGE = ROOT / "docs" / "under-fire.md"
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def table(found: dict[str, Figures]) -> str:
    """Return a scenario's figures by server, in the order in which they were first named."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    lines = [[name, *(figures.get(name, "–") for figures in found.values())] for name in names]
    rows = [["", *found], ["---"] * (len(found) + 1), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def made(kinds: list[Kind], rounds: int) -> str:
    """Return when, on what and with which versions figures were made."""
    packages = {kind.name: versions(kind.python, kind.contender.packages) for kind in kinds}
    shown = "; ".join(
        f"{name}: {', '.join(f'{package} {number}' for package, number in found.items())}"
        for name, found in packages.items()
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, rounds: {rounds}; {machine()}. {shown}."


def write(key: str, text: str) -> None:
    """Put a text between a scenario's marks on the page."""
    begin, end = f"<!-- {key} -->", f"<!-- /{key} -->"
    before, found, rest = PAGE.read_text().partition(begin)
    if not found:
        print(f"{PAGE.name} has no {begin}: nothing is written")
        return
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def middle(rounds: list[Figures]) -> Figures:
    """Return the median of each number in each figure; texts that differ are all shown."""
    names = list(dict.fromkeys(name for figures in rounds for name in figures))
    return {name: _middle([one[name] for one in rounds if name in one]) for name in names}


def _middle(values: list[str]) -> str:
    if len({NUMBER.sub("#", value) for value in values}) > 1:
        return " or ".join(dict.fromkeys(values))
    columns = zip(*(NUMBER.findall(value) for value in values), strict=True)
    medians = iter([_median(list(column)) for column in columns])
    return NUMBER.sub(lambda _: next(medians), values[0])


def _median(values: list[str]) -> str:
    """Return the one in the middle, as it was written."""
    return sorted(values, key=lambda text: float(text.replace(",", "")))[(len(values) - 1) // 2]
