"""The command that tells why a prediction is what it is."""

import argparse
import math
import os
import re
from collections.abc import Collection, Iterator
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
FIGURE = 8  # of a figure without its decimals
EIGHTHS = " ▏▎▍▌▋▊▉█"
MOST_DECIMALS = 6
HARD_TO_SEE = 20  # times shorter than the longest bar

WORDS = {
    "en": {
        "interval": "{share} interval",
        "to": "to",
        "base": "average",
        "physics": "physics",
        "bounds": "kept within bounds",
        "sum": "prediction",
        "warning": "warning",
        "enlarged": "the columns' bars, {times} times enlarged:",
    },
    "es": {
        "interval": "intervalo del {share}",
        "to": "a",
        "base": "media",
        "physics": "física",
        "bounds": "ajuste a los límites",
        "sum": "predicción",
        "warning": "aviso",
        "enlarged": "las barras de las columnas, ampliadas {times} veces:",
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
    """A line of the chart: what it is called, and what it adds or is."""

    name: str
    value: float


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
    yield from _chart(told, words)


def _chart(told: Explained, words: dict[str, str]) -> Iterator[str]:
    """Yield what adds up to the prediction, columns by size, and the prediction."""
    said = [Line(words["base"], told.base)]
    if told.physics:
        said.append(Line(words["physics"], told.physics.contribution))
        shares = [line for line in _by_size(told.physics.shares) if line.value]
        said += [line._replace(name=f"  · {line.name}") for line in shares]
    columns = _by_size(told.contributions)
    rest = [Line(words["bounds"], told.bounds)] if told.bounds else []
    rest.append(Line(words["sum"], told.prediction))
    most = max(abs(line.value) for line in (*said, *columns, *rest)) or 1.0
    largest = abs(columns[0].value)
    times = _rounded_down(most / largest) if 0 < largest < most / HARD_TO_SEE else 1
    bars = _Bars(
        max(len(line.name) for line in (*said, *columns, *rest)), _decimals(largest, 1), most
    )
    yield from bars.lines(said, {words["base"]})
    if times > 1:
        yield words["enlarged"].format(times=f"{times}")
    yield from bars._replace(most=most / times).lines(columns)
    yield from bars.lines(rest, {words["sum"]})


class _Bars(NamedTuple):
    """How lines are shown: the room for names, the decimals, and the value of the longest bar."""

    room: int
    decimals: int
    most: float

    def lines(self, lines: list[Line], wholes: Collection[str] = ()) -> Iterator[str]:
        """Yield lines with their figures and bars; `wholes` are no more nor less of anything."""
        for name, value in lines:
            figure = f"{value:{'' if name in wholes else '+'}.{self.decimals}f}"
            room = FIGURE + self.decimals
            yield f"{name:<{self.room}} {figure:>{room}}  {_bar(abs(value) / self.most)}".rstrip()


def _by_size(values: dict[str, float]) -> list[Line]:
    return sorted((Line(*item) for item in values.items()), key=lambda line: -abs(line.value))


def _bar(share: float) -> str:
    """Return a bar of up to WIDTH characters; what is not 0 is seen."""
    whole, rest = divmod(math.ceil(share * WIDTH * 8), 8)
    return "█" * whole + EIGHTHS[rest].strip()


def _rounded_down(value: float) -> int:
    """Return the last of 1, 2, 5, 10 … that is not over a number from 1 on."""
    power = 10 ** math.floor(math.log10(value))
    return int(power * next(each for each in (5, 2, 1) if each * power <= value))


def _decimals(value: float, more: int = 0) -> int:
    """Return as many decimals as a value is worth, and some more, from two on."""
    if not value > 0:
        return 2
    return min(MOST_DECIMALS, max(2, more - math.floor(math.log10(value))))
