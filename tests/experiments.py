"""Experiments as three teams would hand them over: our own bundle, a pipeline, and a booster.

`python -m tests.experiments TEAM FOLDER` writes one.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from predictor import bundle, experiment
from predictor.experiment import Experiment, Input, Output
from predictor.training import pipeline
from predictor.training.columns import CONTRACT, DAYS, LOADS
from predictor.training.dataset import load
from predictor.training.tracks import ANCHORED
from tests.conftest import small

EXAMPLES = 300
ROWS = 6000


def steel(folder: Path) -> Path:
    """Hand over a bundle of our own, of few trees."""
    plan = pipeline.Plan(small(ANCHORED, 5, 10), seed=42)
    trained = pipeline.train(load(ANCHORED.contract), plan, lambda _: None)
    bundle.write(folder / "bundle", trained.manifest, trained.files)
    return _write(folder, experiment.of_bundle(trained.manifest, "bundle"))


def load_type(folder: Path) -> Path:
    """Hand over a classifier of the steel plant's load, of texts and of values that are missing."""
    found = load(CONTRACT)
    frame = pd.DataFrame(found.columns, columns=list(CONTRACT.names)).iloc[:ROWS]
    loads = np.array(LOADS)[frame.pop("load_type").astype(int)]
    frame["day_of_week"] = np.array(DAYS, object)[frame["day_of_week"].astype(int)]
    frame = frame[["lagging_reactive_power", "lagging_power_factor", "nsm", "day_of_week"]]
    frame.loc[::11, "lagging_reactive_power"] = np.nan
    frame.loc[5::13, "day_of_week"] = np.nan
    days = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = [
        ("numbers", numbers, ["lagging_reactive_power", "lagging_power_factor", "nsm"]),
        ("days", days, ["day_of_week"]),
    ]
    boosted = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    model = make_pipeline(ColumnTransformer(columns), boosted).fit(frame, loads)
    skops.io.dump(model, folder / "model.skops")
    seen = frame.iloc[:: ROWS // EXAMPLES].assign(load_type=loads[:: ROWS // EXAMPLES])
    seen.to_csv(folder / "examples.csv", index=False)
    return _write(
        folder,
        Experiment(
            name="load_type",
            model_path="model.skops",
            model_type="sklearn",
            description="Which load the plant runs, told by its meter.",
            input_schema={
                "lagging_reactive_power": Input("number", "kVArh", minimum=0.0, optional=True),
                "lagging_power_factor": Input("number", "percent", minimum=0.0, maximum=100.0),
                "nsm": Input("integer", "s", "From midnight", minimum=0.0, maximum=86_399.0),
                "day_of_week": Input("category", categories=DAYS, optional=True),
            },
            target=Output("load_type", classes=tuple(model.classes_.tolist())),
            metrics={"accuracy": float(model.score(frame, loads))},
            examples="examples.csv",
            trusted_types=tuple(skops.io.get_untrusted_types(file=folder / "model.skops")),
            contacts=("the plant's data team",),
        ),
    )


def progression(folder: Path) -> Path:
    """Hand over an XGBoost regressor of patients, whose own names are no names of columns."""
    found = load_diabetes(as_frame=True, scaled=False)
    frame = found.data.rename(columns={"bmi": "Body mass", "bp": "Blood pressure"})
    model = xgboost.XGBRegressor(n_estimators=40, max_depth=3, random_state=0, n_jobs=1)
    model.fit(frame, found.target)
    model.save_model(folder / "model.json")
    names = {"Body mass": "body_mass", "Blood pressure": "blood_pressure"}
    seen = frame.rename(columns=names).assign(progression=found.target)
    seen.to_csv(folder / "examples.csv", index=False)
    schema = {
        names.get(name, name): Input("number", feature=name if name in names else "")
        for name in frame
    }
    return _write(
        folder,
        Experiment(
            name="progression",
            model_path="model.json",
            model_type="xgboost",
            input_schema=schema,
            target=Output("progression", "points", "After one year", minimum=0.0),
            metrics={"r2": float(model.score(frame, found.target))},
            examples="examples.csv",
        ),
    )


def _write(folder: Path, found: Experiment) -> Path:
    experiment.write(folder / experiment.FILE, found)
    return folder / experiment.FILE


TEAMS: dict[str, Callable[[Path], Path]] = {
    "steel": steel,
    "load_type": load_type,
    "progression": progression,
}

if __name__ == "__main__":
    TEAMS[sys.argv[1]](Path(sys.argv[2]))
