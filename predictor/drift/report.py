"""What was found, for people: a table in a terminal, and a page that needs nothing else."""

from html import escape
from pathlib import Path

import msgspec

from predictor.drift import svg
from predictor.drift.comparison import Comparison, Finding
from predictor.errors import DataError

STYLE = """
:root { --ink: #1c2330; --dim: #667085; --line: #e3e7ee; --paper: #fff; --back: #f5f6f9;
  --grey: #a9b2c0; --blue: #2f6fdb; --red: #c9302c; --green: #2b7d4f; --amber: #d97706; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #9aa4b5; --line: #333b49;
  --paper: #1b212b; --back: #12161d; --grey: #6b7687; --blue: #6ea0f5; --red: #f0716c;
  --green: #5fc28c; --amber: #f0a53a; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1040px; margin: 0 auto; }
h1 { margin: 0 0 .3rem; font-size: 1.6rem; } h2 { margin: 0; font-size: 1.1rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); }
section, table { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
section { margin: 1rem 0; padding: 1rem 1.2rem; }
table { width: 100%; margin: 1.2rem 0; border-collapse: separate; border-spacing: 0; }
th, td { padding: .45rem .9rem; text-align: right; border-top: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; border-top: 0; }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; }
td { font-variant-numeric: tabular-nums; } a { color: inherit; }
.drift { color: var(--red); font-weight: 600; } .steady { color: var(--green); }
.plots { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin-top: .6rem;
  align-items: flex-start; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
svg .small { fill: var(--dim); font-size: 11px; } svg .share { fill: var(--blue); }
.key span { margin-right: 1.2rem; } .key i { display: inline-block; width: 12px; height: 9px;
  margin-right: .4rem; }
.key .mark { width: 3px; height: 13px; vertical-align: -2px; background: var(--amber); }
.key .reference { background: var(--grey); } .key .current { background: var(--blue); }
.key .dashes { height: 0; border-top: 2px dashed var(--red); vertical-align: 4px; }
.reference { fill: var(--grey); } .current { fill: var(--blue); }
.worst { stroke: var(--amber); stroke-width: 3; } .grid { stroke: var(--line); }
.limit { stroke: var(--red); stroke-width: 1.5; stroke-dasharray: 5 4; }
.line { fill: none; stroke: var(--blue); stroke-width: 1.5; }
.dot { fill: var(--blue); } .over { fill: var(--red); }
"""


def text(found: Comparison) -> str:
    """Return a table for a terminal."""
    width = max(len(column.name) for column in found.columns) + 2
    head = f"{'column':<{width}}{'PSI':>8}{'threshold':>11}{'windows over':>14}"
    lines = [
        f"{c.name:<{width}}{_psi(c):>8}{c.threshold:>11.3g}{_over(c):>14}"
        + ("  drift" if c.drift else "")
        for c in found.columns
    ]
    return "\n".join([head, *lines, _verdict(found), *_notes(found)])


def page(found: Comparison) -> str:
    """Return a page in HTML, which holds its plots and loads nothing."""
    kind = "drift" if found.drift else "steady"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Drift of {escape(found.current)}</title>
<style>{STYLE}</style>
</head>
<body><main>
<h1>Drift of {escape(found.current)}</h1>
<p class="{kind}">{escape(_verdict(found))}</p>
<p class="dim">Against {escape(found.reference)}, {found.reference_rows:,} rows.</p>
{"".join(f'<p class="dim">{escape(note)}</p>' for note in _notes(found))}
{_table(found)}
{_key(found)}
{"".join(map(_section, found.columns))}
</main></body>
</html>
"""


def as_json(found: Comparison) -> str:
    """Return what was found for programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def write(path: Path, found: Comparison) -> None:
    """Write the page to a file; raises DataError when it cannot be written."""
    try:
        path.write_text(page(found), encoding="utf-8")
    except OSError as error:
        message = f"cannot write the report {path}: {error.strerror}"
        raise DataError(message) from error


def _psi(column: Finding) -> str:
    return "-" if column.psi is None else f"{column.psi:.3f}"


def _over(column: Finding) -> str:
    return f"{sum(w.drift for w in column.windows)} of {len(column.windows)}"


def _verdict(found: Comparison) -> str:
    drifted = [column.name for column in found.columns if column.drift]
    windows = len(found.columns[0].windows)
    what = f"{found.rows:,} rows in {windows} window{'s' if windows > 1 else ''}"
    return f"{what}: " + (f"drift in {', '.join(drifted)}" if drifted else "no drift")


def _notes(found: Comparison) -> list[str]:
    """Return what a reader must know of these windows and thresholds."""
    if found.is_threshold_fixed:
        return ["The threshold was given, and is the same for all columns."]
    size = found.rows // len(found.columns[0].windows)
    note = (
        f"Thresholds were calibrated on windows of {found.calibrated_rows:,} rows; these have "
        f"{size:,}, and shorter ones differ more without any drift."
    )
    return [note] if 2 * size < found.calibrated_rows else []


def _table(found: Comparison) -> str:
    rows = "".join(
        f'<tr><td><a href="#{escape(c.name)}">{escape(c.name)}</a></td><td>{_psi(c)}</td>'
        f"<td>{c.threshold:.3g}</td><td>{_over(c)}</td><td>{_state(c)}</td></tr>"
        for c in found.columns
    )
    heads = "<th>column</th><th>worst PSI</th><th>threshold</th><th>windows over</th><th></th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _state(column: Finding) -> str:
    return f'<span class="{"drift" if column.drift else "steady"}">{_word(column)}</span>'


def _word(column: Finding) -> str:
    return "drift" if column.drift else "no drift"


def _key(found: Comparison) -> str:
    marks = '<span><i class="mark"></i>worst window</span>'
    return (
        '<p class="key dim"><span><i class="reference"></i>reference</span>'
        '<span><i class="current"></i>current, all rows</span>'
        f"{marks if len(found.columns[0].windows) > 1 else ''}"
        '<span><i class="dashes"></i>PSI over this is drift</span></p>'
    )


def _section(column: Finding) -> str:
    worst = column.windows[column.worst]
    said = f"PSI {_psi(column)}, threshold {column.threshold:.3g}"
    if len(column.windows) > 1:
        said += f"; worst: {svg.name_of(worst)}"
    return (
        f'<section id="{escape(column.name)}"><h2>{escape(column.name)} · {_state(column)}</h2>'
        f'<p class="dim">{escape(said)}</p>'
        f'<div class="plots">{svg.shares(column)}{svg.series(column)}</div></section>'
    )
