"""The model card that lies in every bundle: what the model is worth, and what it is not."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Coverage, Manifest, Score
from predictor.contract import Contract
from predictor.explanation import Explanation
from predictor.markdown import line
from predictor.profile import Profile
from predictor.training import evaluation
from predictor.training.evaluation import CROSS_VALIDATION, STACK, Problem, Tested
from predictor.training.explained import Explained
from predictor.training.report import plots

CARD = "model-card.md"
NONE = "-"
PREDICTED, BY_GROUP, BY_MONTH, COVERED, IMPORTANCE, DEPENDENCE = (
    "predicted-against-actual.png",
    "error-by-group.png",
    "error-by-month.png",
    "coverage.png",
    "importance.png",
    "dependence.png",
)
PHYSICS, BOOSTERS = "the physics", "the boosters"

LEAK = """\
**The published power factors are computed from the target.** On every row of the data they are
`100·y/√(y²+Q²)`, rounded to two decimals, of the very energy y that is to be predicted and of the
reactive energy Q beside it; the CO2 column is a rounded multiple of y too. """
READ_FIRST = {
    "anchored": LEAK
    + """One row therefore confines
its own answer to a narrow interval, without any learning, and this model answers inside it. Its
errors are those of the rounding, not of a forecast. For a plant whose meters measure power factors
on their own, or round them otherwise, none of the figures below hold: train on its own data, and
look at the warnings that the server counts.""",
    "raw": LEAK
    + """This model is given
these columns as they are, as published results are, and so are its errors: they say how well a
formula is imitated, not how well energy is foreseen. For a plant whose meters measure power factors
on their own none of the figures below hold.""",
    "no-leak": """\
This model is given neither power factors nor CO2, because in the published data both are
computed from the target. What is left is the real learning problem: energy from reactive energy,
time and the schedule. Its figures are those that a plant may hope for whose meters measure
independently.""",
}
OTHER = """\
This model was trained on a contract of its own. Nothing is known here of where its columns come
from: see that none of them is computed from the target."""


TUNED = """\
Each booster's parameters are the best of {trials} trials on all rows. The figures below are of
models with these parameters, so that they are a little better than new rows would give."""


def documents(
    manifest: Manifest, problem: Problem, tested: Mapping[str, Tested], explained: Explained
) -> dict[str, bytes]:
    """Return the card and its pictures, by file name.

    The pictures by row are of the 5-fold protocol, which tests every row once, and those of
    contributions of the rows that are explained.
    """
    pictures = _pictures(manifest, problem, tested[CROSS_VALIDATION])
    parts = importance(manifest.contract, explained.explanation)
    unit = manifest.contract.target.unit
    reasons = {
        IMPORTANCE: plots.importance(parts, unit),
        DEPENDENCE: plots.dependence(
            explained.columns, explained.explanation.contributions, manifest.contract
        ),
    }
    text = render(manifest, list(pictures), _importance(parts, unit, len(explained.columns)))
    return {CARD: text.encode(), **pictures, **reasons}


def importance(contract: Contract, found: Explanation) -> dict[str, dict[str, float]]:
    """Return how much each column moves predictions in the mean, by the parts of the model."""
    parts = {PHYSICS: found.shares} if found.has_physics else {}
    return {
        part: dict(zip(contract.names, np.abs(each).mean(axis=0).tolist(), strict=True))
        for part, each in {**parts, BOOSTERS: found.contributions}.items()
    }


def _importance(parts: Mapping[str, Mapping[str, float]], unit: str, rows: int) -> str:
    heads = ["column", *(f"{part}, {unit}" for part in parts)]
    columns = sorted(parts[BOOSTERS], key=lambda name: -sum(p[name] for p in parts.values()))
    cells = ([line(name), *(_number(part[name]) for part in parts.values())] for name in columns)
    return (
        f"How far each column moves a prediction from the base, in the mean of {rows} rows: see "
        f"`docs/how-to/explain-predictions.md`.\n\n{table(heads, cells)}\n\n"
        f"![{IMPORTANCE}]({IMPORTANCE})\n\nWhat the boosters add, by the column's value:\n\n"
        f"![{DEPENDENCE}]({DEPENDENCE})"
    )


def render(manifest: Manifest, pictures: Iterable[str], reasons: str) -> str:
    """Return the card as Markdown; `reasons` is its section on what predictions come from."""
    sections = [
        f"# Model card: {manifest.name}, track {manifest.track}, version {manifest.version}",
        READ_FIRST.get(manifest.track, OTHER),
        _summary(manifest),
        *([TUNED.format(trials=manifest.tuning_trials)] if manifest.tuning_trials else []),
        figures(manifest),
        *([f"## Drift\n\n{_drift(manifest.profile)}"] if manifest.profile else []),
        f"## What moves a prediction\n\n{reasons}",
        "## Pictures, of the 5-fold protocol",
        *(f"![{name}]({name})" for name in pictures),
    ]
    return "\n\n".join(sections) + "\n"


def figures(manifest: Manifest) -> str:
    """Return all that was measured of a model, as sections of Markdown."""
    unit = manifest.contract.target.unit
    held = manifest.intervals
    sections = [
        f"## Errors on rows that were not fitted on, {unit}",
        *(f"### {name}\n\n{_scores(found)}" for name, found in manifest.scores.items()),
        f"## Intervals made to hold {held.target:.0%} of the rows",
        *(f"### {name}\n\n{_coverage(found)}" for name, found in held.coverage.items()),
        f"## Size: what each number of trees would cost, RMSE in {unit}",
        _boosters(manifest),
        "## Parity of the served graph",
        _parity(manifest),
    ]
    return "\n\n".join(sections)


def _summary(manifest: Manifest) -> str:
    target, data = manifest.contract.target, manifest.data
    return (
        f"It predicts `{target.name}` ({target.unit}): {target.description}. It is a "
        f"{manifest.type}, trained {manifest.created} with seed {manifest.seed} on "
        f"{data.rows} rows of `{data.source}`."
    )


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown, of cells that are Markdown themselves."""
    names = list(heads)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _scores(found: Mapping[str, Score]) -> str:
    rows = (
        [
            line(name),
            *map(_number, (s.rmse, s.mae, s.cv_rmse_percent)),
            NONE if s.r2 is None else f"{s.r2:.6f}",
            _number(s.mape_percent),
            str(s.rows),
        ]
        for name, s in found.items()
    )
    return table(["model", "RMSE", "MAE", "CV-RMSE, %", "R²", "MAPE, %", "rows"], rows)


def _coverage(found: Mapping[str, Coverage]) -> str:
    rows = (
        [line(name), f"{c.share:.1%}", _number(c.width), str(c.rows)] for name, c in found.items()
    )
    return table(["rows", "held", "mean width", "number"], rows)


def _boosters(manifest: Manifest) -> str:
    rows = []
    for name, booster in manifest.boosters.items():
        sizes = ", ".join(f"{n}: {rmse:.4g}" for n, rmse in booster.rmse_by_trees.items())
        rows.append([name, f"{booster.weight:.3f}", str(booster.trees), sizes])
    return table(["booster", "weight", "trees kept", "RMSE of rows not fitted on, by trees"], rows)


def _parity(manifest: Manifest) -> str:
    found = manifest.parity
    explained = (
        ""
        if found.explanation is None
        else f" What explains a prediction is at most {found.explanation:.1e} from the libraries' "
        "own Shapley values."
    )
    return (
        f"Over {found.rows} rows the graph is at most {found.float64:.1e} from the float64 sum of "
        f"its leaves, and {found.native:.1e} from the libraries' own predictions, of which "
        f"{found.tolerance:.1e} is allowed ({manifest.contract.target.unit}).{explained}"
    )


def _drift(profile: Profile) -> str:
    """Say from when on it is drift; see docs/how-to/watch-for-drift.md."""
    thresholds = ", ".join(f"`{bins.name}` {bins.threshold:g}" for bins in profile.bins)
    return f"In a window of {profile.window_rows} rows, PSI over these is drift: {thresholds}."


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}" if abs(value) < 0.99 else f"{value:.5g}"


def _pictures(manifest: Manifest, problem: Problem, tested: Tested) -> dict[str, bytes]:
    actual, predicted = problem.dataset.target[tested.rows], tested.predictions[STACK]
    unit = manifest.contract.target.unit
    found = {PREDICTED: plots.predicted_against_actual(actual, predicted, unit)}

    def errors_by(what: str, parts: dict[str, NDArray[np.bool_]]) -> bytes:
        by = {
            name: evaluation.score(actual[p], predicted[p]) for name, p in parts.items() if p.any()
        }
        return plots.errors(by, f"Error by {what}, rows not fitted on", unit)

    if problem.track.group:
        groups = problem.groups[tested.rows]
        parts = {name: groups == code for code, name in enumerate(problem.track.group_names)}
        found[BY_GROUP] = errors_by(problem.track.group, parts)
    if problem.dataset.days is not None:
        months = problem.dataset.days[tested.rows].astype("datetime64[M]")
        found[BY_MONTH] = errors_by("month", {str(m)[2:]: months == m for m in np.unique(months)})
    held = manifest.intervals
    return found | {COVERED: plots.coverage(held.coverage, held.target)}
