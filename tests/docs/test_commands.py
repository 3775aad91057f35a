"""The commands that the pages show, against what there is."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from predictor import cli
from predictor.serving.settings import NAMES
from tests.docs.test_docs import PAGES
from tests.paths import ROOT

COMMAND = re.compile(r"^ *\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")
# A name of a file in the checkout, as an argument of whatever command.
INSIDE = re.compile(r"(?:file://)?((?:docs|manifests|charts|benchmarks|tests)/[\w./-]+)")
# What is set for others than our server.
OTHERS = {"HELM_DRIVER", "HELM_KUBECONTEXT", "IMAGE", "PATH"}

Command = tuple[Path, list[str]]


def commands() -> Iterator[Command]:
    """Yield the simple commands of every page, with the page."""
    for page in PAGES:
        for found in COMMAND.findall(page.read_text()):
            text = found.replace("\\\n", " ")
            for part in re.split(r" (?:\||&&|;|<|>|&) ", text):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:  # a word in quotes that goes on in the next line
                    continue
                if words:
                    yield page, [word for word in words if not re.match(r"\d?>", word)]


COMMANDS = list(commands())


def bare(words: list[str]) -> list[str]:
    """Return a command without the variables that are set for it."""
    first = next((n for n, word in enumerate(words) if not VARIABLE.match(word)), len(words))
    return words[first:]


def ours() -> list[Command]:
    return [(page, bare(words)[1:]) for page, words in COMMANDS if bare(words)[:1] == ["predictor"]]


def test_there_are_commands_to_test() -> None:
    assert len(COMMANDS) > 100
    assert len(ours()) > 20


@pytest.mark.parametrize("arguments", [words for _, words in ours()], ids=" ".join)
def test_a_command_of_ours_can_be_parsed(arguments: list[str]) -> None:
    assert callable(cli._parser().parse_args(arguments).run)


def test_a_command_that_is_none_of_ours_is_found() -> None:
    with pytest.raises(SystemExit):
        cli._parser().parse_args(["deploy", "energy", "--valeus", "file"])


def test_every_target_of_make_is_one() -> None:
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for _, words in COMMANDS
        if bare(words)[:1] == ["make"]
        for word in bare(words)[1:]
        if not VARIABLE.match(word)
    }
    assert len(named) > 5
    assert named <= made


def test_every_file_of_the_checkout_that_a_command_names_is_there() -> None:
    named = {
        (page, found[1])
        for page, words in COMMANDS
        for word in words
        if (found := INSIDE.fullmatch(word))
    }
    assert len(named) > 10
    assert {(page, path) for page, path in named if not (ROOT / path).exists()} == set()


def test_every_variable_that_is_set_for_a_server_is_a_setting() -> None:
    known = {*NAMES, *OTHERS}
    unknown = [
        (page, word)
        for page, words in COMMANDS
        for word in words[: len(words) - len(bare(words))]
        if word.partition("=")[0] not in known
        and not word.startswith(("OTEL_", "MLFLOW_", "PREFECT_"))
    ]
    assert unknown == []
