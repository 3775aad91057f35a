"""Telling an MLflow server of a training: all of it is read from the bundle that was written."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# MLflow reports its use to its maker unless this is set before it is imported.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import msgspec
from mlflow.exceptions import MlflowException

from predictor import bundle
from predictor.bundle import Manifest
from predictor.errors import TrackingError

LOCAL_STORE = "sqlite:///mlflow.db"
ARTIFACTS = "bundle"
CREDENTIALS = r"//[^/@\s]*@"


def log(folder: Path) -> str:
    """Log a bundle's parameters, scores, pictures and files as a run, and register its version.

    The server is the one that MLFLOW_TRACKING_URI names, else a SQLite store in this folder.
    Returns a sentence that says how to get the bundle back. Raises TrackingError when the server is
    away or refuses.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    try:
        where = _log(folder, uri)
    except (MlflowException, ImportError) as error:  # ImportError: a database's driver
        reason = str(error).partition("\n")[0]
        message = f"the bundle was written, but MLflow at {uri} did not take it: {reason}"
        raise TrackingError(re.sub(CREDENTIALS, "//", message)) from error
    return f"registered {where}; get it with: mlflow artifacts download -u {where} -d DIRECTORY"


def _log(folder: Path, uri: str) -> str:
    """Log a bundle, and return the address of its version in the registry."""
    manifest = bundle.read(folder).manifest
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(manifest.name)
    with mlflow.start_run(run_name=manifest.version) as run:
        mlflow.log_params(_parameters(manifest))
        mlflow.log_metrics(dict(_metrics(manifest)))
        mlflow.set_tags({"version": manifest.version, "track": manifest.track})
        mlflow.log_artifacts(str(folder), ARTIFACTS)
    return f"models:/{manifest.name}/{_register(manifest, run.info.run_id)}"


def _register(manifest: Manifest, run_id: str) -> str:
    """Make the run's bundle a version of the registered model, and return its number."""
    client = mlflow.MlflowClient()
    if not client.search_registered_models(f"name = '{manifest.name}'"):
        client.create_registered_model(manifest.name)
    source = f"runs:/{run_id}/{ARTIFACTS}"
    tags = {"version": manifest.version, "track": manifest.track}
    made = client.create_model_version(manifest.name, source, run_id, tags=tags)
    return str(made.version)


def _parameters(manifest: Manifest) -> dict[str, object]:
    found: dict[str, object] = {
        "track": manifest.track,
        "seed": manifest.seed,
        "data": manifest.data.source,
        "data sha256": manifest.data.sha256,
        "rows": manifest.data.rows,
    }
    for name, booster in manifest.boosters.items():
        found |= {f"{name}/trees": booster.trees, f"{name}/weight": booster.weight}
        found |= {f"{name}/{key}": value for key, value in booster.parameters.items()}
    return found


def _metrics(manifest: Manifest) -> Iterator[tuple[str, float]]:
    """Yield every number of the scores and of the intervals, under a name that MLflow allows."""
    for protocol, scores in manifest.scores.items():
        for model, score in scores.items():
            for key, value in msgspec.structs.asdict(score).items():
                if value is not None:
                    yield _allowed(f"{protocol}/{model}/{key}"), value
    for protocol, parts in manifest.intervals.coverage.items():
        for part, coverage in parts.items():
            yield _allowed(f"{protocol}/coverage/{part}"), coverage.share
            yield _allowed(f"{protocol}/width/{part}"), coverage.width
    yield "parity/native", manifest.parity.native
    yield "parity/float64", manifest.parity.float64


def _allowed(name: str) -> str:
    return re.sub(r"[^\w\-./ ]", "", name.replace("%", "percent"))
