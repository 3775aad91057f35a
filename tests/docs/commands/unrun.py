"""What is shown on the pages and run by no test, with the reason."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.docs.commands.pages import BLOCKS, Command
from tests.docs.commands.sessions import SESSIONS

FILE = Path(__file__).with_name("unrun.toml")
# Pages whose blocks with helm and kubectl tests/e2e/test_pages.py runs on a cluster.
ON_A_CLUSTER = (
    "README.md",
    "charts/energy-predictor/README.md",
    "docs/tutorial.md",
    "docs/clouds/kubernetes.md",
    "docs/dashboards.md",
    "docs/how-to/call-from-inside-the-cluster.md",
    "docs/how-to/deploy-from-ci.md",
    "docs/how-to/deploy-from-python.md",
    "docs/how-to/explain-on-kserve.md",
    "docs/how-to/reload-a-bundle.md",
    "docs/how-to/score-on-the-cluster.md",
    "docs/how-to/watch-for-drift.md",
    "docs/runbooks.md",
)
# A page that has the commands of another, which a test says.
SAME_AS = {"docs/tutorial.es.md": "docs/tutorial.md"}


@dataclass(frozen=True)
class Reason:
    """Why commands are not run, and what is done for them instead."""

    name: str
    why: str
    instead: str
    commands: frozenset[tuple[str, str]]


@cache
def reasons() -> tuple[Reason, ...]:
    """Return the reasons, each with the commands that it holds for, by page and first line."""
    found = []
    for name, table in tomllib.loads(FILE.read_text()).items():
        pairs = [(page, line) for page, lines in table["pages"].items() for line in lines]
        found.append(Reason(name, table["why"], table["instead"], frozenset(pairs)))
    return tuple(found)


def reason(command: Command) -> str | None:
    """Return why a command is not run, if it is not."""
    page = SAME_AS.get(command.page, command.page)
    key = (page, command.first_line)
    return next((it.name for it in reasons() if key in it.commands), None)


def run_of(page: str, *, on_a_cluster: bool) -> list[Command]:
    """Return the commands of a page that are run, on this machine or on a cluster."""
    found = [it for it in BLOCKS if it.page == page and it.is_of_a_cluster == on_a_cluster]
    return [command for block in found for command in block.commands if not reason(command)]


def where(command: Command, *, is_of_a_cluster: bool) -> str | None:
    """Return where a command is run: `here`, `cluster` or, for a reason, `not`; or None."""
    page = SAME_AS.get(command.page, command.page)
    if reason(command):
        return "not"
    if is_of_a_cluster:
        return "cluster" if page in ON_A_CLUSTER else None
    return "here" if page in SESSIONS else None
