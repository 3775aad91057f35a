"""The commands that the pages show, run or not, against what there is."""

import ast
import importlib
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from predictor import bundle, cli
from predictor.serving.engine import Engine
from predictor.serving.rest import routes
from predictor.serving.rest.plain import plain_api
from predictor.serving.service import Service
from predictor.serving.settings import NAMES, Settings
from tests.docs.commands.pages import COMMANDS, PYTHON, VARIABLE, Command, bare
from tests.docs.test_docs import PAGES
from tests.paths import ROOT

# A name of a file in the checkout, as an argument of whatever command.
INSIDE = re.compile(r"(?:file://)?((?:docs|manifests|charts|benchmarks|tests)/[\w./-]+)")
# What is set for others than our server.
OTHERS = {"HELM_DRIVER", "HELM_KUBECONTEXT", "IMAGE", "KEY", "PATH"}
LIBRARIES = ("OTEL_", "MLFLOW_", "PREFECT_")
# Ports of ours; what else is asked on this machine are Prometheus and Grafana.
OURS = (":8080", ":8081")
SHELL = [it for it in COMMANDS if it.language != PYTHON]
CODE = [it for it in COMMANDS if it.language == PYTHON]


def of(program: str) -> list[tuple[Command, list[str]]]:
    """Return the simple commands of a program, by whatever path, without its name."""
    simple = [(it, bare(words)) for it in SHELL for words in it.parts]
    return [(it, words[1:]) for it, words in simple if words and named(words[0], program)]


def named(word: str, program: str) -> bool:
    return word.rsplit("/", 1)[-1] == program


def test_there_are_commands_to_test() -> None:
    assert len(SHELL) > 100
    assert len(CODE) > 3
    assert len(of("predictor")) > 20


def test_every_command_stands_in_a_block_of_its_kind() -> None:
    lines = [line.strip() for page in PAGES for line in page.read_text().splitlines()]
    assert sum(line.startswith("$ ") for line in lines) == len(SHELL)
    fences = {"```sh", "```bash", "```shell", "```zsh"}
    assert [line for line in lines if line in fences] == [], "write ```console, and $ before each"


@pytest.mark.parametrize("arguments", [words for _, words in of("predictor")], ids=" ".join)
def test_a_command_of_ours_can_be_parsed(arguments: list[str]) -> None:
    assert callable(cli._parser().parse_args(arguments).run)


def test_a_command_that_is_none_of_ours_is_found() -> None:
    with pytest.raises(SystemExit):
        cli._parser().parse_args(["deploy", "energy", "--valeus", "file"])


def test_every_target_of_make_is_one() -> None:
    made = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {word for _, words in of("make") for word in words if not VARIABLE.match(word)}
    assert len(targets) > 5
    assert targets <= made


def test_every_file_of_the_checkout_that_a_command_names_is_there() -> None:
    found = {
        (it.page, inside[1])
        for it in SHELL
        for words in it.parts
        for word in words
        if (inside := INSIDE.fullmatch(word))
    }
    assert len(found) > 10
    assert {(page, path) for page, path in found if not (ROOT / path).exists()} == set()


def test_every_variable_that_is_set_for_a_server_is_a_setting() -> None:
    known = {*NAMES, *OTHERS}
    given = [
        (it.page, word.partition("=")[0])
        for it in SHELL
        for words in it.parts
        if bare(words)
        for word in words[: len(words) - len(bare(words))]
    ]
    unknown = [(page, name) for page, name in given if name not in known]
    assert len(given) > 5
    assert [name for _, name in unknown if not name.startswith(LIBRARIES)] == []


def test_every_extra_that_is_installed_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        extra
        for _, words in of("pip") + of("python")
        for word in words
        for extras in re.findall(r"^(?:energy-predictor|\.)\[([\w,]+)\]$", word)
        for extra in extras.split(",")
    ]
    assert len(named) > 5
    assert set(named) <= project["optional-dependencies"].keys()


def test_every_path_that_is_asked_of_a_server_is_one(bundle_folder: Path) -> None:
    service = Service(Engine(bundle.read(bundle_folder)), Settings())
    paths = {*routes.reads(service), *routes.predictions(service), *routes.explanations(service)}
    paths |= plain_api(service, Settings()).openapi()["paths"].keys()
    asked = {
        urlsplit(word).path.replace("/heat:", "/energy:")
        for _, words in of("curl")
        for word in words
        if urlsplit(word).netloc.endswith(OURS)
    }
    assert len(asked) > 3
    assert asked <= paths


@pytest.mark.parametrize("code", CODE, ids=lambda it: f"{it.page}: {it.first_line}")
def test_python_of_ours_compiles_and_names_what_there_is(code: Command) -> None:
    for node in ast.walk(ast.parse(code.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("predictor"):
            module = importlib.import_module(str(node.module))
            assert [it.name for it in node.names if not hasattr(module, it.name)] == []
