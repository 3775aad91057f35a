"""The report's two plots, drawn as SVG: shares by bin, and PSI by window."""

from html import escape

from predictor.drift.comparison import Finding, Window

WIDTH = 460
LABELS = 120
ROW = 26
BAR = 9
LONGEST_LABEL = 18
HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 220, 16, 34, 46, 12


def shares(finding: Finding) -> str:
    """Return bars of the reference and of the rows by bin, and marks of the worst window."""
    reference, current = _shares(finding.reference), _shares(finding.current)
    worst = _shares(finding.windows[finding.worst].counts)
    marks = worst if len(finding.windows) > 1 else [None] * len(worst)
    scale = (WIDTH - LABELS - 52) / max([*reference, *current, *worst, 1e-9])
    parts = [
        _bin(place, label, (reference[place], current[place], marks[place]), scale)
        for place, label in enumerate(finding.labels)
    ]
    return _svg(len(finding.labels) * ROW + 4, f"shares by bin of {finding.name}", parts)


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _bin(place: int, label: str, found: tuple[float, float, float | None], scale: float) -> str:
    reference, current, worst = found
    top = place * ROW + 4
    short = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
    title = f"{label}: reference {reference:.1%}, current {current:.1%}"
    mark = ""
    if worst is not None:
        title += f", worst window {worst:.1%}"
        at = LABELS + worst * scale
        mark = f'<path class="worst" d="M{at:.1f} {top - 1}v{2 * BAR + 3}"/>'
    end = LABELS + max(found[0], found[1], worst or 0) * scale + 5
    return (
        f"<g><title>{escape(title)}</title>"
        f'<text x="{LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(short)}</text>'
        f'<rect class="reference" x="{LABELS}" y="{top}" '
        f'width="{reference * scale:.1f}" height="{BAR}"/>'
        f'<rect class="current" x="{LABELS}" y="{top + BAR + 1}" '
        f'width="{current * scale:.1f}" height="{BAR}"/>{mark}'
        f'<text class="small share" x="{end:.1f}" y="{top + 13}">{current:.1%}</text></g>'
    )


def series(finding: Finding) -> str:
    """Return PSI over consecutive windows, against the threshold."""
    windows = finding.windows
    most = max([w.limit for w in windows] + [w.psi or 0.0 for w in windows]) * 1.12 or 1.0
    inner = WIDTH - LEFT - RIGHT

    def point(place: int, value: float) -> tuple[float, float]:
        x = LEFT + inner * (place + 0.5) / len(windows)
        return x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(0.0, value) / most

    known = [(point(i, w.psi), w) for i, w in enumerate(windows) if w.psi is not None]
    line = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in known)
    limits = [point(i, w.limit) for i, w in enumerate(windows)]
    half = inner / len(windows) / 2
    dashes = "".join(f"M{x - half:.1f} {y:.1f}h{2 * half:.1f}" for x, y in limits)
    parts = [
        *(_tick(value, point(0, value)[1]) for value in _ticks(most)),
        f'<path class="limit" d="{dashes}"/>',
        f'<polyline class="line" points="{line}"/>',
        *(_dot(at, window) for at, window in known),
        _axis(windows),
    ]
    return _svg(HEIGHT, f"PSI by window of {finding.name}", parts)


def _ticks(most: float) -> list[float]:
    """Return three to five round values from 0 on."""
    step = next(
        power * factor
        for power in (10.0**digits for digits in range(-6, 7))
        for factor in (1, 2, 5)
        if most / (power * factor) < 5
    )
    return [step * count for count in range(int(most / step) + 1)]


def _tick(value: float, y: float) -> str:
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="small" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _dot(at: tuple[float, float], window: Window) -> str:
    title = f"{name_of(window)}: PSI {window.psi:.3f}, limit {window.limit:.3f}"
    kind = "dot over" if window.drift else "dot"
    return (
        f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4">'
        f"<title>{escape(title)}</title></circle>"
    )


def _axis(windows: tuple[Window, ...]) -> str:
    first, last = (_start(window) for window in (windows[0], windows[-1]))
    y = HEIGHT - BOTTOM + 18
    middle = f"{len(windows)} windows"
    return (
        f'<text class="small" x="{LEFT}" y="{y}">{escape(first)}</text>'
        f'<text class="small" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{y}" '
        f'text-anchor="middle">{middle}</text>'
        f'<text class="small" x="{WIDTH - RIGHT}" y="{y}" text-anchor="end">{escape(last)}</text>'
    )


def _start(window: Window) -> str:
    return window.time[:10] or f"from row {window.start + 1:,}"


def name_of(window: Window) -> str:
    """Return the rows of a window in words."""
    rows = f"rows {window.start + 1:,} to {window.start + window.rows:,}"
    return f"{rows}, from {window.time}" if window.time else rows


def _svg(height: int, title: str, parts: list[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
