"""What an argument of a command may be; else argparse says what was expected."""

import argparse
import re
from typing import TypeAlias

from predictor.contract import NAME

# Where a command is added to; at run time it takes no parameter.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def natural(text: str) -> int:
    """Return a whole number from 0 on."""
    if not text.isdecimal():
        message = f"got {text!r}, expected a whole number from 0 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if not natural(text):
        message = f"got {text!r}, expected a whole number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def threshold(text: str) -> float:
    """Return a number over 0."""
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text) or not float(text):
        message = f"got {text!r}, expected a number over 0"
        raise argparse.ArgumentTypeError(message)
    return float(text)


def seed(text: str) -> int:
    """Return a whole number that seeds a generator."""
    if natural(text) >= 2**32:
        message = f"got {text!r}, expected a whole number below 2^32"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def share(text: str) -> float:
    """Return a number from 0 on."""
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", text):
        message = f"got {text!r}, expected a share such as 0.05"
        raise argparse.ArgumentTypeError(message)
    return float(text)


def name(text: str) -> str:
    """Return a name that a model may have."""
    if not re.fullmatch(NAME, text):
        message = f"got {text!r}, expected small letters, digits and _"
        raise argparse.ArgumentTypeError(message)
    return text
