"""A bundle that is handed over as it is."""

from pathlib import Path

import msgspec

from predictor import bundle, experiment
from predictor.bundle import MANIFEST
from predictor.contract import Contract
from predictor.errors import ExperimentError
from predictor.experiment import Experiment, Input, Output
from predictor.folder import opened
from predictor.training.pipeline import Trained
from predictor.verify import verify


def verified(given: Experiment, path: Path) -> Trained:
    """Return a bundle that was looked into, as `predictor verify` does, without its signature.

    Raises BundleError when something is wrong in it, and ExperimentError when the experiment does
    not say what its contract does.
    """
    for _ in verify(path):
        pass
    with opened(path, MANIFEST) as files:
        found = bundle.read_from(files).manifest
        contents = {name: bundle.content_of(files, name, found) for name in found.files}
    _compare(given, found.contract)
    return Trained(found, contents)


def _compare(given: Experiment, contract: Contract) -> None:
    inputs = {column.name: experiment.input_of(column) for column in contract.columns}
    if list(given.input_schema) != list(inputs):
        message = (
            f"input_schema has {', '.join(given.input_schema)}, but the bundle's contract "
            f"{', '.join(inputs)}: they must be the same, in this order"
        )
        raise ExperimentError(message)
    for name, held in inputs.items():
        _same(f"input_schema.{name}", given.input_schema[name], held)
    _same("target", given.target, experiment.output_of(contract.target))


def _same(field: str, given: Input | Output, held: Input | Output) -> None:
    """Refuse what a schema says otherwise; words for people may differ."""
    said, expected = (msgspec.to_builtins(each) for each in (given, held))
    for name in {**expected, **said}:
        if name not in {"description", "feature"} and said.get(name) != expected.get(name):
            message = (
                f"{field}.{name} is {said.get(name, 'not given')}, but in the bundle's contract it "
                f"is {expected.get(name, 'not given')}: write what the contract says"
            )
            raise ExperimentError(message)
