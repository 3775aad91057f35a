"""A page's commands on this machine, in a checkout of their own."""

from collections.abc import Sequence
from pathlib import Path

from tests.docs.commands.checkout import checkout, environment
from tests.docs.commands.pages import Command
from tests.docs.commands.script import Ports, run, script
from tests.docs.commands.sessions import SESSIONS
from tests.docs.commands.unrun import run_of
from tests.servers import free_port

SERVE = Command("", "console", "predictor serve")
# The environment of `make test` has it not: tests/e2e, which has, runs the pages that take it.
GRPCURL = "grpcurl"


def here(page: str) -> list[Command]:
    """Return the commands of a page that are run on this machine."""
    return run_of(page, on_a_cluster=False)


def follow(page: str, commands: Sequence[Command], bundle: Path, folder: Path) -> None:
    """Run commands of a page as its session says, in a checkout inside of a folder."""
    session, copy = SESSIONS[page], checkout(folder / "energy-predictor", bundle)
    session.prepare(copy)
    ports = Ports({"8080": free_port(), "8081": free_port()})
    replaced = {f"/{it}/energy": f"{copy}/{it}/energy" for it in ("srv", "var/lib")}
    served = [SERVE] * session.is_served
    text = script([*served, *commands], ports, {**replaced, **session.replaced})
    for path in ("srv", "var/lib/energy"):
        (copy / path).mkdir(parents=True)
    listen = {"PORT": str(ports.by_name["8080"]), "GRPC_PORT": str(ports.by_name["8081"])}
    run(text, copy, environment(copy) | listen)
