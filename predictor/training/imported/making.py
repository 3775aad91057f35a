"""The whole of an import: experiment → contract → model → graph → checked bundle."""

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from predictor import __version__, bundle, graph
from predictor.contract import Contract, Row
from predictor.errors import ExperimentError
from predictor.experiment import Experiment
from predictor.profile import Profile
from predictor.profiling import profile_of
from predictor.training.imported import bundles, card, gate, schema
from predictor.training.imported import examples as rows_of
from predictor.training.imported.examples import Examples
from predictor.training.imported.gate import Judged
from predictor.training.imported.model import Answer, Model, Rows
from predictor.training.pipeline import GOLDEN_ROWS, Trained, now

TRACK = "imported"
LIBRARIES = ("numpy", "onnx", "onnxruntime")
# Fewer rows say little of a distribution.
PROFILE_ROWS = 100

Reader = Callable[[Experiment, Path, Contract], Model]


def bundle_of(experiment: Experiment, folder: Path) -> Trained:
    """Return a bundle's manifest and files: the same for the same experiment and libraries.

    `folder` is where the experiment's manifest is. An answer is kept in the range of the target, if
    it is given one. Raises ExperimentError or DataError, saying what to do, when the experiment
    contradicts itself or its model, and ParityError when the graph does not answer as the model.
    """
    contract = schema.contract_of(experiment)
    path = folder / experiment.model_path
    if not path.exists():
        message = f"model_path: there is nothing at {path}"
        raise ExperimentError(message)
    if experiment.model_type == "bundle":
        return bundles.verified(experiment, path)
    examples = rows_of.read(experiment, folder, contract)
    model = _read(experiment, path, contract)
    _check_size(model)
    judged = gate.check(model, contract, examples.rows)
    manifest = _manifest(experiment, contract, examples, model, judged)
    text = card.render(experiment, manifest, examples, judged).encode()
    files = manifest.files | {card.CARD: bundle.digest(text)}
    whole = msgspec.structs.replace(manifest, files=files)
    return Trained(whole, {bundle.MODEL: model.graph, card.CARD: text})


def _read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model of a file, whose numbers and places need not be those that it says."""
    try:
        return _reader(experiment)(experiment, path, contract)
    except (LookupError, ValueError, TypeError) as error:
        first = next(iter(str(error).splitlines()), "")
        message = (
            f"{path}: the model's file contradicts itself: {type(error).__name__} {first}; "
            "write it again by the library's own save"
        )
        raise ExperimentError(message) from error


def _reader(experiment: Experiment) -> Reader:
    """Return the reader of a type, whose library is imported no sooner."""
    match experiment.model_type:
        case "xgboost":
            from predictor.training.imported.readers import xgboost_file

            return xgboost_file.read
        case "lightgbm":
            from predictor.training.imported.readers import lightgbm_file

            return lightgbm_file.read
        case "catboost":
            from predictor.training.imported.readers import catboost_file

            return catboost_file.read
        case "sklearn":
            from predictor.training.imported.readers import skops_file

            return skops_file.read
        case _:
            from predictor.training.imported.readers import onnx_file

            return onnx_file.read


def _check_size(model: Model) -> None:
    most = bundle.MOST_BYTES[bundle.MODEL]
    if len(model.graph) > most:
        message = (
            f"the graph of the model has {len(model.graph)} bytes, and may have {most}: fit fewer "
            "trees, or shallower ones"
        )
        raise ExperimentError(message)


def _manifest(
    experiment: Experiment, contract: Contract, examples: Examples, model: Model, judged: Judged
) -> bundle.Manifest:
    return bundle.Manifest(
        format=bundle.FORMAT,
        name=experiment.name,
        version=bundle.version_of(contract, model.graph),
        type=model.kind,
        track=TRACK,
        created=experiment.created or now(),
        contract=contract,
        files={bundle.MODEL: bundle.digest(model.graph)},
        data=bundle.Data(examples.source, examples.sha256, len(examples.rows)),
        metrics=experiment.metrics,
        parity=judged.parity,
        versions=_versions() | model.versions,
        golden=_golden(contract, examples.rows, judged),
        profile=_profile(contract, examples.rows, judged.found),
    )


def _versions() -> dict[str, str]:
    own = {"predictor": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in LIBRARIES}


def _golden(contract: Contract, rows: Rows, judged: Judged) -> bundle.Golden:
    """Draw rows to check a server with, written as a client writes them."""
    count = min(GOLDEN_ROWS, len(rows))
    drawn = np.random.default_rng(gate.SEED).choice(len(rows), count, replace=False)
    found, native = judged.found, judged.native
    places, native_values = found.values[drawn], native.values[drawn]
    if contract.target.classes:
        native_values = graph.of_the_class(places, native.probabilities[drawn])
    return bundle.Golden(
        rows=[_row(contract, rows[row]) for row in drawn],
        predictions=places.tolist(),
        native=native_values.tolist(),
        probabilities=graph.of_the_class(places, found.probabilities[drawn]).tolist(),
    )


def _row(contract: Contract, values: Rows) -> Row:
    return {c.name: c.decode(v) for c, v in zip(contract.columns, values, strict=True)}


def _profile(contract: Contract, rows: Rows, found: Answer) -> Profile | None:
    """Return what drift is measured against, if the rows are enough."""
    return profile_of(contract, rows, found.values) if len(rows) >= PROFILE_ROWS else None
