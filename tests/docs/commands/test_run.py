"""The pages' commands, run one after the other as a reader does."""

from pathlib import Path

import pytest

from tests.docs.commands.checkout import checkout, environment
from tests.docs.commands.local import GRPCURL, follow, here
from tests.docs.commands.pages import Command
from tests.docs.commands.script import Ports, put_for, run, script
from tests.docs.commands.sessions import SESSIONS
from tests.servers import free_port


@pytest.mark.parametrize("page", SESSIONS)
def test_the_commands_of_a_page_go_well(page: str, bundle_folder: Path, tmp_path: Path) -> None:
    commands = [it for it in here(page) if not it.begins(GRPCURL)]
    assert commands
    follow(page, commands, bundle_folder, tmp_path)


def test_what_is_put_for_a_name_is_not_replaced_again() -> None:
    assert put_for({"-n plant": "-n energy-1", "-n energy": "-n energy-1"}, "-n plant") == (
        "-n energy-1"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("predictor verify nothing", "status 1\n"),
        ("curl http://127.0.0.1:8080/", "status 7\n"),
        ("predictor serve --bundle nothing", "it ended before port"),
        ("cat nothing | head", "status 1 0\n"),
        ("cat bundle/bundle.json | cat nothing", "status 0 1|status 141 1"),
    ],
)
def test_a_command_that_fails_is_found(
    bundle_folder: Path, tmp_path: Path, text: str, fault: str
) -> None:
    ports = Ports({"8080": free_port(), "8081": free_port()})
    listen = {"PORT": str(ports.by_name["8080"]), "GRPC_PORT": str(ports.by_name["8081"])}
    commands = [Command("", "console", "true"), Command("", "console", text)]
    folder = checkout(tmp_path / "energy-predictor", bundle_folder)
    with pytest.raises(AssertionError, match=fault):
        run(script(commands, ports, {}), folder, environment(folder) | listen)


def test_python_that_fails_is_found(bundle_folder: Path, tmp_path: Path) -> None:
    commands = [Command("", "python", "import nothing_of_the_kind")]
    folder = checkout(tmp_path / "energy-predictor", bundle_folder)
    with pytest.raises(AssertionError, match="nothing_of_the_kind"):
        run(script(commands, Ports({}), {}), folder, environment(folder))
