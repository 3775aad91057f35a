"""Numbers as Grafana shows them in a unit."""

from collections.abc import Callable, Sequence

Scale = Sequence[tuple[float, str]]

SECONDS: Scale = (
    (86_400, "d"),
    (3_600, "h"),
    (60, "min"),
    (1, "s"),
    (1e-3, "ms"),
    (1e-6, "µs"),
)
BYTES: Scale = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
SHORT: Scale = ((1e6, "M"), (1e3, "k"), (1, ""))


def shown(value: float, unit: str) -> str:
    """Return a value in its unit, with three digits."""
    return UNITS[unit](value)


def _scaled(scale: Scale, value: float) -> str:
    size, name = next((s for s in scale if abs(value) >= s[0]), scale[-1])
    if value == 0:
        size, name = next(s for s in scale if s[0] == 1)
    return f"{_digits(value / size)} {name}".rstrip()


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


UNITS: dict[str, Callable[[float], str]] = {
    "s": lambda value: _scaled(SECONDS, value),
    "bytes": lambda value: _scaled(BYTES, value),
    "short": lambda value: _scaled(SHORT, value),
    "none": _digits,
    "percentunit": lambda value: f"{_digits(value * 100)} %",
    "reqps": lambda value: f"{_scaled(SHORT, value)} req/s",
    "cps": lambda value: f"{_scaled(SHORT, value)} c/s",
    "kwatth": lambda value: f"{_digits(value)} kWh",
}
