"""The closed loop as a flow of Prefect: read, train, compare, log, publish."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Prefect reports its use to its maker unless this is set before it is imported.
os.environ["DO_NOT_TRACK"] = "1"

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed

from predictor import bundle
from predictor.bundle import Bundle
from predictor.errors import BundleError, RefusedError, SettingsError
from predictor.retraining import compare, data, publish
from predictor.retraining.compare import Judged
from predictor.training import pipeline
from predictor.training.dataset import Dataset
from predictor.training.pipeline import Plan, Trained
from predictor.training.report import tracking
from predictor.training.tracks import TRACKS, Track

NAME = "retrain"
TOLERANCE = 0.05
# What becomes of a run that does all it should, by the name of its final state.
PUBLISHED, REFUSED, UNCHANGED = "Published", "Refused", "Unchanged"
# That MLflow is away for a moment is no reason to train once more.
RETRIES: dict[str, Any] = {"retries": 3, "retry_delay_seconds": [5, 30, 120]}
# Rows and models stay in the process: nothing of them is kept by Prefect.
ASIDE: dict[str, Any] = {"persist_result": False, "cache_policy": NO_CACHE}


@dataclass(frozen=True)
class Order:
    """What a run is to do, in words that Prefect's API can carry; an empty path is none.

    `folder` is that of the bundle that is served; `history`, `captured` and `measured` are the
    sources of the rows, `key` is a private key to sign with, and `tolerance` by which share an
    error may be larger than the served bundle's.
    """

    folder: str
    history: str = ""
    captured: str = ""
    measured: str = ""
    key: str = ""
    tolerance: float = TOLERANCE


@flow(name=NAME, persist_result=False)
def retrain(order: Order) -> State[Any]:
    """Train anew as the served bundle was, and publish what is no worse; say what became of it."""
    logger = get_run_logger()
    served = read_served(order)
    dataset = read_rows(order, served)
    logger.info("read %d rows: %s", len(dataset.target), dataset.source)
    trained = train(dataset, served)
    version = trained.manifest.version
    if version == served.manifest.version:
        return _end(UNCHANGED, f"version {version} is served already")
    judged = judge(dataset, served, trained)
    unit = served.manifest.contract.target.unit
    for each in judged:
        logger.info("%s", each.sentence(unit))
    refused = compare.refusal(judged, order.tolerance, unit)
    if refused:
        logger.warning("%s", refused)
        return _end(REFUSED, refused)
    logger.info("%s", log(order, trained))
    put(order, served, trained)
    message = f"{order.folder} holds version {version}, no longer {served.manifest.version}"
    return _end(PUBLISHED, message)


def run(order: Order) -> str:
    """Run the flow once, here, and return in a sentence what became of it.

    Raises RefusedError when the candidate is worse, and whatever error ended the run.
    """
    require_server()
    state = retrain(order, return_state=True)
    message = str(state.message)
    if state.name == REFUSED:
        raise RefusedError(message)
    if not state.is_completed():
        state.result(raise_on_failure=True)
    return message


def require_server() -> None:
    """Raise SettingsError when no Prefect server is named: none is started by the way."""
    if not PREFECT_API_URL.value():
        message = "PREFECT_API_URL is not set, expected the API of a Prefect server"
        raise SettingsError(message)


@task(**ASIDE)
def read_served(order: Order) -> Bundle:
    """Read the bundle that is served."""
    return bundle.read(Path(order.folder))


@task(**ASIDE)
def read_rows(order: Order, served: Bundle) -> Dataset:
    """Read the rows to train on."""
    sources = data.Sources(*map(_path, (order.history, order.captured, order.measured)))
    return data.read(_track(served).contract, served.manifest.name, sources)


@task(**ASIDE)
def train(dataset: Dataset, served: Bundle) -> Trained:
    """Train as the served bundle was."""
    manifest = served.manifest
    return pipeline.train(
        dataset, Plan(_track(served), manifest.seed, manifest.name), lambda _: None
    )


@task(**ASIDE)
def judge(dataset: Dataset, served: Bundle, trained: Trained) -> list[Judged]:
    """Compare the candidate with the served bundle."""
    return compare.compare(dataset, _track(served), served, trained.manifest)


@task(**ASIDE, **RETRIES)
def log(order: Order, trained: Trained) -> str:
    """Log the candidate to MLflow, and register it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "bundle")
        publish.write(folder, trained, _path(order.key))
        return tracking.log(folder)


@task(**ASIDE)
def put(order: Order, served: Bundle, trained: Trained) -> None:
    """Write the candidate to where the server looks."""
    publish.publish(Path(order.folder), trained, served.manifest, _path(order.key))


def _track(served: Bundle) -> Track:
    """Return how the served bundle was trained; raises BundleError when that is not known here."""
    manifest = served.manifest
    track = TRACKS.get(manifest.track)
    if track is None:
        message = (
            f"{served.folder} is of the track {manifest.track!r}, expected one of "
            f"{', '.join(TRACKS)}: only the steel plant's bundles say all that training takes"
        )
        raise BundleError(message)
    if track.contract != manifest.contract:
        message = (
            f"{served.folder} has another contract than this version of predictor trains: "
            "the server would not take the new bundle in its place"
        )
        raise BundleError(message)
    return track


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _end(name: str, message: str) -> State[Any]:
    return Completed(name=name, message=message)
