"""The model card of a model that another team trained: what it said of it, and what was seen."""

from collections.abc import Mapping

import numpy as np

from predictor.bundle import Manifest
from predictor.contract import Column
from predictor.experiment import Experiment
from predictor.markdown import code, line
from predictor.training.imported.examples import Examples
from predictor.training.imported.gate import Judged
from predictor.training.report.card import table

CARD = "model-card.md"


def render(experiment: Experiment, manifest: Manifest, examples: Examples, judged: Judged) -> str:
    """Return the card as Markdown."""
    seen = _seen(examples, judged)
    sections = [
        f"# Model card: {manifest.name}, version {manifest.version}",
        *([line(experiment.description)] if experiment.description else []),
        _summary(experiment, manifest),
        "## What it is given",
        table(["name", "expected", "meaning"], map(_row, manifest.contract.columns)),
        "## What its team measured",
        _figures(manifest.metrics) if manifest.metrics else "Nothing was handed over.",
        f"## What was seen on the {manifest.data.rows} rows of {code(manifest.data.source)}",
        _figures(seen)
        if seen
        else "The file does not say what happened: nothing could be compared.",
        "Whether the model was fitted on these rows is not known here.",
        "## Parity of the served graph",
        _parity(manifest),
    ]
    if experiment.contacts:
        sections += ["## Whom to ask", "\n".join(f"- {line(each)}" for each in experiment.contacts)]
    return "\n\n".join(sections) + "\n"


def _summary(experiment: Experiment, manifest: Manifest) -> str:
    target = manifest.contract.target
    kind = line(f"one of {', '.join(target.classes)}" if target.classes else target.unit)
    meaning = f": {line(target.description)}" if target.description else ""
    return (
        f"It predicts `{target.name}`{f' ({kind})' if kind else ''}{meaning}. It is a "
        f"{manifest.type} that its team trained, in {code(experiment.model_path)}."
    )


def _row(column: Column) -> list[str]:
    return [f"`{column.name}`", line(column.expectation), line(column.description)]


def _figures(found: Mapping[str, float]) -> str:
    return table(
        ["metric", "value"], ([line(name), f"{value:.6g}"] for name, value in found.items())
    )


def _seen(examples: Examples, judged: Judged) -> dict[str, float]:
    """Return how near the model came to what happened, where the file tells that."""
    known = ~np.isnan(examples.actual)
    actual, found = examples.actual[known], judged.found.values[known]
    if not len(actual):
        return {}
    if judged.found.probabilities.size:
        likely = judged.found.probabilities[known, actual.astype(np.intp)]
        smallest = np.finfo(np.float64).tiny
        return {
            "accuracy": float(np.mean(actual == found)),
            "log loss": float(-np.mean(np.log(np.maximum(likely, smallest)))),
        }
    error, spread = found - actual, float(np.sum((actual - actual.mean()) ** 2))
    scores = {"RMSE": float(np.mean(error**2) ** 0.5), "MAE": float(np.mean(np.abs(error)))}
    return scores | ({"R²": 1 - float(np.sum(error**2)) / spread} if spread else {})


def _parity(manifest: Manifest) -> str:
    found = manifest.parity
    target = manifest.contract.target
    unit = " of probability" if target.classes else f" {line(target.unit)}".rstrip()
    return (
        f"Over {found.rows} rows, the examples and others that the schema allows, the graph is at "
        f"most {found.native:.1e}{unit} from the model's own library, of which "
        f"{found.tolerance:.1e} is allowed."
    )
