"""The commands and the Python that the pages show, as they show them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.test_docs import PAGES
from tests.paths import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
CONSOLE, PYTHON = "console", "python"
# Between the simple commands of one.
BETWEEN = re.compile(r" (?:\||&&|;|<|>|&)(?: |$)")
# What asks Kubernetes, as the words begin; and of Python, what does.
CLUSTER = (["helm"], ["kubectl"], ["predictor", "deploy"], ["predictor", "status"])
FROM_PYTHON = "predictor.deployment"
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")


@dataclass(frozen=True)
class Command:
    """One command of a console, over all its lines, or one block of Python."""

    page: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.split("\n", 1)[0]

    @property
    def parts(self) -> list[list[str]]:
        """Return the words of its simple commands, without what is redirected."""
        text = self.text.replace("\\\n", " ")
        try:
            found = [shlex.split(part, comments=True) for part in BETWEEN.split(text)]
        except ValueError:  # what is between the two is inside of quotes
            found = [shlex.split(text)]
        return [[word for word in words if not re.match(r"\d?>", word)] for words in found if words]

    def begins(self, *words: str) -> bool:
        """Whether one of the simple commands has these words first."""
        if self.language == PYTHON:
            return False
        return any(bare(found)[: len(words)] == list(words) for found in self.parts)


@dataclass(frozen=True)
class Block:
    """What stands in one fence."""

    page: str
    commands: tuple[Command, ...]

    @property
    def is_of_a_cluster(self) -> bool:
        """Whether it needs Kubernetes: so does all that is asked behind a forwarded port."""
        if self.commands[0].language == PYTHON:
            return any(f"from {FROM_PYTHON} import " in it.text for it in self.commands)
        return any(it.begins(*words) for it in self.commands for words in CLUSTER)


def bare(words: list[str]) -> list[str]:
    """Return a command without the variables that are set for it."""
    first = next((n for n, word in enumerate(words) if not VARIABLE.match(word)), len(words))
    return words[first:]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page that hold commands, or Python."""
    name = str(page.relative_to(ROOT))
    for found in FENCE.finditer(page.read_text()):
        indent, language = len(found["indent"]), found["language"]
        text = "".join(line[indent:] or "\n" for line in found["text"].splitlines(keepends=True))
        texts = [text] if language == PYTHON else list(consoles(text))
        if texts and language in {CONSOLE, PYTHON}:
            yield Block(name, tuple(Command(name, language, it) for it in texts))


def consoles(text: str) -> Iterator[str]:
    """Yield the commands behind the prompts, each up to the line that ends it."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while not _is_whole(command):
                command += "\n" + next(lines)
            yield command


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:  # a quote is open
        return False
    return not command.endswith("\\")


BLOCKS = [block for page in sorted(PAGES) for block in blocks(page)]
COMMANDS = [command for block in BLOCKS for command in block.commands]
