"""The `predictor` command: parse, call one function, print."""

import argparse
import sys
from collections.abc import Sequence

from predictor import __version__
from predictor.cli import bundles, drift, explaining, generation, releases, scoring, servers
from predictor.errors import PredictorError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 after an error in one sentence."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (PredictorError, OSError) as error:  # OSError: a shared library that the system lacks
        options.complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        options.complain(f"{error.name} is not installed: {options.needs}")
        return 1


def _complain(sentence: str) -> None:
    print(f"predictor: {sentence}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="predictor", description=main.__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(complain=_complain)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (bundles, servers, explaining, scoring, drift, releases, generation):
        group.add(commands)
    return parser
