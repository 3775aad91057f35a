"""The command that tells why a prediction is what it is."""

import argparse
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from predictor import bundle
from predictor.cli.arguments import Commands
from predictor.contract import Row
from predictor.errors import JSON_ERRORS, BundleError, InvalidInput

if TYPE_CHECKING:
    from predictor.serving.engine import Engine, Prediction

WIDTH = 28  # of the longest bar
EIGHTHS = " ▏▎▍▌▋▊▉█"
MOST_DECIMALS = 4

WORDS = {
    "en": {
        "interval": "{share} interval",
        "to": "to",
        "base": "average",
        "physics": "physics",
        "bounds": "kept within bounds",
        "sum": "prediction",
        "warning": "warning",
    },
    "es": {
        "interval": "intervalo del {share}",
        "to": "a",
        "base": "media",
        "physics": "física",
        "bounds": "ajuste a los límites",
        "sum": "predicción",
        "warning": "aviso",
    },
}


class Physics(msgspec.Struct):
    """What the columns say by themselves, and what of it each gives."""

    contribution: float
    shares: dict[str, float]


class Explained(msgspec.Struct):
    """A row's explanation, as the server answers it."""

    prediction: float
    base: float
    contributions: dict[str, float]
    bounds: float
    physics: Physics | None = None


class Line(NamedTuple):
    """A line of the chart: what it is called, what it adds, and whether it is a whole."""

    name: str
    value: float
    is_whole: bool = False


def add(commands: Commands) -> None:
    """Add what explains a prediction."""
    explain = commands.add_parser("explain", help="tell why a row's prediction is what it is")
    explain.add_argument("bundle", type=Path, help="the bundle's folder")
    explain.add_argument(
        "--row", required=True, metavar="JSON", help="a flat row, as /predict takes it, or @FILE"
    )
    explain.add_argument("--json", action="store_true", help="print it as the server answers it")
    explain.add_argument(
        "--language", choices=sorted(WORDS), help="by default that of LANG, or English"
    )
    explain.set_defaults(run=_explain, needs="pip install 'energy-predictor[serve]'")


def _explain(options: argparse.Namespace) -> None:
    from predictor.serving.decoding.batch import encode
    from predictor.serving.engine import Engine

    row = _row(options.row)
    engine = Engine(bundle.read(options.bundle))
    if engine.explainer is None:
        message = f"{options.bundle} has no {bundle.EXPLANATION}: train it anew with this version"
        raise BundleError(message)
    contract = engine.manifest.contract
    batch = encode(contract, [row], 1)
    found = engine.predict(batch)
    [told] = engine.explain(batch).rows(contract.names, found.values)
    if options.json:
        print(msgspec.json.encode(told).decode())
        return
    words = WORDS[options.language or _language()]
    text = "\n".join(_text(engine, found, msgspec.convert(told, Explained), words))
    print(re.sub(r"(?<=\d)\.(?=\d)", ",", text) if words is WORDS["es"] else text)


def _row(given: str) -> Row:
    """Return the row that an argument is, or that the file it names holds."""
    text = Path(given[1:]).read_bytes() if given.startswith("@") else given
    try:
        return msgspec.json.decode(text, type=Row)
    except JSON_ERRORS as error:
        message = f"--row is not a row: {error}"
        raise InvalidInput(message) from error


def _language() -> str:
    """Return the language that the environment asks for, if it is one of ours."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    asked = next(filter(None, names), "")[:2]
    return asked if asked in WORDS else "en"


def _text(
    engine: "Engine", found: "Prediction", told: Explained, words: dict[str, str]
) -> Iterator[str]:
    """Yield the lines of an explanation for people."""
    manifest = engine.manifest
    target = manifest.contract.target
    decimals = 2
    yield f"{manifest.name} {manifest.version}"
    if manifest.contract.interval:
        [lower], [upper] = found.lower.tolist(), found.upper.tolist()
        decimals = _decimals(upper - lower)
        share = words["interval"].format(share=f"{manifest.intervals.target:.0%}")
        ends = f"{lower:.{decimals}f} {words['to']} {upper:.{decimals}f} {target.unit}"
        yield f"{target.name} {told.prediction:.{decimals}f} {target.unit}, {share} {ends}"
    else:
        yield f"{target.name} {told.prediction:.{decimals}f} {target.unit}".rstrip()
    for doubt in engine.doubts(found):
        yield f"{words['warning']}: {doubt.warning.message}"
    yield ""
    yield from _chart(list(_lines(told, words)), decimals)


def _lines(told: Explained, words: dict[str, str]) -> Iterator[Line]:
    """Yield what adds up to the prediction, columns by size, and the prediction."""
    yield Line(words["base"], told.base, is_whole=True)
    if told.physics:
        yield Line(words["physics"], told.physics.contribution)
        for line in _by_size(told.physics.shares):
            if line.value:
                yield line._replace(name=f"  · {line.name}")
    yield from _by_size(told.contributions)
    if told.bounds:
        yield Line(words["bounds"], told.bounds)
    yield Line(words["sum"], told.prediction, is_whole=True)


def _by_size(values: dict[str, float]) -> list[Line]:
    return sorted((Line(*item) for item in values.items()), key=lambda line: -abs(line.value))


def _chart(lines: list[Line], decimals: int) -> Iterator[str]:
    """Yield each line with its figure and a bar as long as that is large."""
    most = max(abs(line.value) for line in lines) or 1.0
    width = max(len(line.name) for line in lines)
    figures = [f"{line.value:{'' if line.is_whole else '+'}.{decimals}f}" for line in lines]
    room = max(map(len, figures))
    for line, figure in zip(lines, figures, strict=True):
        bar = _bar(abs(line.value) / most)
        yield f"{line.name:<{width}}  {figure:>{room}}  {bar}".rstrip()


def _bar(share: float) -> str:
    """Return a bar of up to WIDTH characters; what is not 0 is seen."""
    eighths = math.ceil(share * WIDTH * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + EIGHTHS[rest].strip()


def _decimals(width: float) -> int:
    """Return as many decimals as the width of an interval is worth, from two on."""
    if not width > 0:
        return 2
    return min(MOST_DECIMALS, max(2, -math.floor(math.log10(width))))
