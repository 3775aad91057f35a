"""Every command on every page: it is run, or there is a reason."""

import re
from collections import Counter
from pathlib import Path

from tests.docs.commands.local import here
from tests.docs.commands.pages import BLOCKS, COMMANDS, Block, Command
from tests.docs.commands.sessions import SESSIONS
from tests.docs.commands.unrun import ON_A_CLUSTER, SAME_AS, reasons, where
from tests.paths import ROOT


def unproven(blocks: list[Block]) -> list[str]:
    return [
        f"{command.page}: {command.first_line}"
        for block in blocks
        for command in block.commands
        if where(command, is_of_a_cluster=block.is_of_a_cluster) is None
    ]


def test_every_command_is_run_or_has_a_reason_why_not() -> None:
    assert unproven(BLOCKS) == [], "run it, in sessions.py, or say why not, in unrun.toml"


def test_a_new_command_is_found() -> None:
    new = Command("docs/clouds/ecs.md", "console", "aws ecs delete-service --cluster CLUSTER")
    assert unproven([Block(new.page, (new,))]) == [f"{new.page}: {new.text}"]


def test_every_reason_is_of_commands_that_there_are() -> None:
    shown = Counter((it.page, it.first_line) for it in COMMANDS)
    listed = Counter(pair for reason in reasons() for pair in reason.commands)
    assert [pair for pair in listed if pair not in shown] == []
    assert [pair for pair, times in listed.items() if times > 1] == []


def test_every_page_that_is_run_has_commands_to_run() -> None:
    assert [page for page in SESSIONS if not here(page)] == []
    on_a_cluster = {block.page for block in BLOCKS if block.is_of_a_cluster}
    assert set(ON_A_CLUSTER) <= on_a_cluster


def test_the_page_about_commands_has_every_reason() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(it.name, it.why, it.instead) for it in reasons()]


def headings(page: Path) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", page.read_text(), re.MULTILINE)]


def test_a_translation_has_the_same_commands_and_the_same_sections() -> None:
    texts = {
        page: [it.text for it in COMMANDS if it.page == page] for page in (*SAME_AS, *SESSIONS)
    }
    for translated, original in SAME_AS.items():
        assert texts[translated] == texts[original]
        assert headings(ROOT / translated) == headings(ROOT / original)
