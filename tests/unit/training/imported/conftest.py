"""Experiments of real data, as a team would hand them over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from predictor.experiment import Experiment, Input, Output


@dataclass(frozen=True)
class Task:
    """Data with what is to be learned of them: a number, or a class by its place in `classes`."""

    frame: pd.DataFrame
    target: pd.Series
    classes: tuple[str, ...] = ()

    def with_holes(self) -> "Task":
        """Return the task with every seventh value of two columns missing, and some next to 0."""
        frame = self.frame.copy()
        frame.iloc[::7, 0] = np.nan
        frame.iloc[3::7, 2] = np.nan
        return Task(frame, self.target, self.classes)


def _task(load: Callable[..., object], classes: tuple[str, ...] = ()) -> Task:
    found = load(as_frame=True)
    frame = found.data.iloc[:, :8]  # type: ignore[attr-defined]
    names = [name.split(" (")[0].replace(" ", "_") for name in frame.columns]
    return Task(frame.set_axis(names, axis=1), found.target, classes)  # type: ignore[attr-defined]


TASKS = {
    "regression": _task(datasets.load_diabetes),
    "binary": _task(datasets.load_breast_cancer, ("malignant", "benign")),
    "multiclass": _task(datasets.load_iris, ("setosa", "versicolor", "virginica")),
}

Make = Callable[..., Experiment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what writes examples of a task and makes an experiment of a model file there."""

    def make(
        task: Task,
        model_type: str,
        model_path: str,
        *,
        optional: Sequence[str] = (),
        rows: int = 120,
        trusted: tuple[str, ...] = (),
    ) -> Experiment:
        examples = task.frame.iloc[:: max(1, len(task.frame) // rows)].copy()
        actual = task.target.loc[examples.index]
        examples["outcome"] = [task.classes[place] for place in actual] if task.classes else actual
        examples.to_csv(tmp_path / "examples.csv", index=False)
        return Experiment(
            name="imported",
            model_path=model_path,
            model_type=model_type,  # type: ignore[arg-type]
            input_schema={
                str(name): Input(type="number", optional=name in optional) for name in task.frame
            },
            target=Output(name="outcome", classes=task.classes),
            metrics={"own score": 0.5},
            examples="examples.csv",
            trusted_types=trusted,
            created="2026-01-02T03:04:05+00:00",
        )

    return make
