"""Figures as a Markdown table: a line each, a column for each server."""

Figures = dict[str, str]


def table(heading: str, found: dict[str, Figures]) -> str:
    """Return a scenario's figures by server, in the order in which they were first named."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    lines = [[name, *(figures.get(name, "–") for figures in found.values())] for name in names]
    rows = [[heading, *found], ["---"] * (len(found) + 1), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def middle(rounds: list[Figures]) -> Figures:
    """Return the median of each figure that is a number, and all that was seen of the others."""
    names = list(dict.fromkeys(name for figures in rounds for name in figures))
    return {name: _middle([one[name] for one in rounds if name in one]) for name in names}


def _middle(values: list[str]) -> str:
    if len(set(values)) == 1:
        return values[0]
    parts = [value.split(" / ") for value in values]
    if len({len(one) for one in parts}) == 1:
        try:
            return " / ".join(_median(list(column)) for column in zip(*parts, strict=True))
        except ValueError:
            pass
    return "; ".join(values)


def _median(values: list[str]) -> str:
    """Return the one in the middle, as it was written; raises ValueError when one is no number."""
    ordered = sorted(values, key=lambda text: float(text.replace(",", "").rstrip("%")))
    return ordered[(len(ordered) - 1) // 2]
