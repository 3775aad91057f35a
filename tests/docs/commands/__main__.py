"""Prints how many commands of each page are run, and where: `python -m tests.docs.commands`."""

import sys
from collections import Counter

from tests.docs.commands.pages import BLOCKS
from tests.docs.commands.unrun import where

PLACES = ("here", "cluster", "not")


def table() -> str:
    """Return the table, a page in each row, and the sums below."""
    counts: dict[str, Counter[str]] = {}
    for block in BLOCKS:
        row = counts.setdefault(block.page, Counter())
        row.update(str(where(it, is_of_a_cluster=block.is_of_a_cluster)) for it in block.commands)
    counts["all"] = sum(counts.values(), Counter())
    lines = [f"{'page':<45}{'here':>9}{'cluster':>9}{'checked':>9}"]
    for page, row in counts.items():
        lines.append(f"{page:<45}" + "".join(f"{row[place] or '–':>9}" for place in PLACES))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
