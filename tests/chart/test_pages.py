"""What the pages say with kubectl and helm, run on a cluster or not, against both programs."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.chart.helm import helm
from tests.docs.commands.test_parsed import of
from tests.missing import missing
from tests.paths import CHART, ROOT

OURS = str(CHART.relative_to(ROOT))
FLAG = re.compile(r"^\s+(?:(-\w), )?(--[\w-]+)", re.MULTILINE)
SHOWN_FILE = re.compile(r"^```yaml\n(# ([\w-]+\.yaml)\n.*?)^```$", re.MULTILINE | re.DOTALL)
# What stands before the command of its own, with a word behind it.
BEFORE = {"-n", "--namespace", "--context"}
# Of an upgrade, what rendering has not.
NOT_RENDERED = {"--install", "--reset-then-reuse-values", "--create-namespace"}


def unique(program: str) -> list[list[str]]:
    """Return the arguments of each different command of a program."""
    return [list(words) for words in dict.fromkeys(tuple(words) for _, words in of(program))]


@cache
def says(*words: str) -> str:
    if not shutil.which(words[0]):
        missing(f"{words[0]} is not installed")
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def flags(text: str) -> set[str]:
    return {flag for found in FLAG.findall(text) for flag in found if flag}


def path_of(program: str, words: list[str]) -> tuple[str, ...]:
    """Return the command and the commands inside of it, as far as its own help names them."""
    while words and words[0] in BEFORE:
        words = words[2:]
    path: tuple[str, ...] = (program,)
    for word in words:
        usage = says(*path, word, "--help").partition("Usage:")[2].split("\n\n")[0]
        named = " ".join((*path, word.removesuffix("s")))  # `top pods` is `top pod`
        if word.startswith("-") or not re.search(rf"\b{named}s?\b", usage):
            break
        path = (*path, word)
    return path


def given(words: list[str]) -> list[str]:
    """Return the flags, up to where the words are another program's."""
    own = words[: words.index("--")] if "--" in words else words
    return [word.partition("=")[0] for word in own if re.match(r"--?[a-z]", word)]


def unknown(program: str, words: list[str]) -> list[str]:
    """Return which flags a command does not have; the command itself has to be one."""
    path = path_of(program, words)
    assert len(path) > 1, words
    everywhere = says("kubectl", "options") if program == "kubectl" else ""
    has = flags(says(*path, "--help") + everywhere)
    return [flag for flag in given(words) if flag not in has]


def shown_files() -> dict[str, str]:
    """Return the files of values that pages show in full, which begin with their names."""
    pages = [page.read_text() for page in (ROOT / "docs").rglob("*.md")]
    return {name: text for page in pages for text, name in SHOWN_FILE.findall(page)}


@pytest.mark.parametrize("words", unique("kubectl"), ids=" ".join)
def test_a_command_of_kubectl_and_its_options_are_what_there_is(words: list[str]) -> None:
    assert unknown("kubectl", words) == []


@pytest.mark.parametrize("words", unique("helm"), ids=" ".join)
def test_a_command_of_helm_and_its_options_are_what_there_is(words: list[str]) -> None:
    assert unknown("helm", words) == []


def test_what_is_none_of_kubectls_is_found() -> None:
    assert unknown("kubectl", ["-n", "plant", "get", "pods", "--sort-bye=x"]) == ["--sort-bye"]
    with pytest.raises(AssertionError):
        unknown("kubectl", ["portforward", "service/energy-predictor"])


@pytest.mark.parametrize(
    "words", [words for words in unique("helm") if OURS in words], ids=" ".join
)
def test_the_chart_renders_with_the_values_that_are_given(words: list[str], tmp_path: Path) -> None:
    for name, content in shown_files().items():
        (tmp_path / name).write_text(content)
    start = words.index("energy")
    rest = [word for word in words[start:] if word not in NOT_RENDERED]
    digest = [word.replace("sha256:DIGEST", "sha256:" + 64 * "0") for word in rest]
    folders = (ROOT, tmp_path)
    named = [next((str(f / word) for f in folders if (f / word).exists()), word) for word in digest]
    apis = ("--api-versions=monitoring.coreos.com/v1", "--api-versions=serving.kserve.io/v1beta1")
    result = helm("template", *named, *apis)
    assert result.returncode == 0, result.stderr
