"""Fits a bundle's boosters once more and saves them in the libraries' own formats.

A bundle holds the graph alone; servers that use the libraries themselves need their models. The
manifest tells parameters, trees and weights, so that one fit of each booster makes the same stack;
that it is the same is seen when a server's answers are compared with the bundle's.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import xgboost
from spox import build

from predictor.bundle import Booster, Manifest
from predictor.contract import INPUT
from predictor.training import dataset, pipeline
from predictor.training.ensemble import intervals
from predictor.training.ensemble.boosters import THREADS, Sample
from predictor.training.evaluation import Problem
from predictor.training.features import columns_argument
from predictor.training.tracks import TRACKS, Track

# What the servers take of the feature graph, in this order.
FEATURES = ("matrix", "middle", "half_width", "low", "high", "known")

Fit = Callable[[Sample, Booster, int, Path], None]


def saved(manifest: Manifest, cache: Path) -> Path:
    """Return the folder with a bundle's boosters, fitted now if it is not there."""
    folder = cache / f"native-{manifest.version}"
    if not folder.exists():
        track = TRACKS[manifest.track]
        problem = pipeline.problem_of(dataset.load(track.contract), track)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            new = Path(scratch, "native")
            new.mkdir()
            _write(problem, manifest, new)
            new.rename(folder)
    return folder


def _write(problem: Problem, manifest: Manifest, folder: Path) -> None:
    for name, fit in FITS.items():
        fit(problem.sample, manifest.boosters[name], manifest.seed, folder)
    onnx.save(_features(problem.track), folder / "features.onnx")
    (folder / "stack.json").write_text(json.dumps(_about(problem, manifest), indent=2))


def _about(problem: Problem, manifest: Manifest) -> dict[str, object]:
    """Return what a server needs beside the models: names, labels, weights and what is usual."""
    track, target = problem.track, problem.dataset.target
    unseen = np.zeros(len(target))  # it makes the reach, which these servers do not answer
    calibration = intervals.calibrate(
        problem.found, problem.groups, len(track.group_names), target, unseen
    )
    columns = track.contract.columns
    return {
        "name": manifest.name,
        "names": track.contract.names,
        "labels": {c.name: c.labels for c in columns if c.datatype == "BYTES"},
        "group": track.contract.names.index(track.group or ""),
        "weights": {name: booster.weight for name, booster in manifest.boosters.items()},
        "usual": calibration.usual[:, :2].tolist(),
    }


def _features(track: Track) -> onnx.ModelProto:
    columns = columns_argument(track.contract)
    found = vars(track.features(columns, track.contract))
    return build({INPUT: columns}, {name: found[name] for name in FEATURES})


def _xgboost(sample: Sample, booster: Booster, seed: int, folder: Path) -> None:
    fixed = {"objective": "reg:squarederror", "tree_method": "hist"}
    data = xgboost.DMatrix(sample.matrix, sample.target, weight=sample.weight, nthread=THREADS)
    parameters = {**booster.parameters, **fixed, "nthread": THREADS, "seed": seed}
    xgboost.train(parameters, data, booster.trees).save_model(folder / "xgboost.ubj")


def _lightgbm(sample: Sample, booster: Booster, seed: int, folder: Path) -> None:
    fixed = {"objective": "regression", "deterministic": True, "force_row_wise": True}
    data = lightgbm.Dataset(sample.matrix, sample.target, weight=sample.weight)
    parameters = {**booster.parameters, **fixed, "num_threads": THREADS, "seed": seed}
    model = lightgbm.train({**parameters, "verbose": -1}, data, booster.trees)
    model.save_model(folder / "lightgbm.txt")


def _catboost(sample: Sample, booster: Booster, seed: int, folder: Path) -> None:
    model = catboost.CatBoostRegressor(
        **booster.parameters,
        iterations=booster.trees,
        thread_count=THREADS,
        random_seed=seed,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(sample.matrix, sample.target, sample_weight=sample.weight)
    model.save_model(str(folder / "catboost.cbm"))


FITS: dict[str, Fit] = {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}
