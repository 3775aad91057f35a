"""Bundles that are made from one that was trained: wrong ones, and others that are right."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import onnx
from onnx import ModelProto, external_data_helper, numpy_helper

from predictor import bundle, graph
from predictor.bundle import MANIFEST, SIGNATURE, Golden, Manifest
from predictor.contract import LOWER, PREDICTION, UPPER
from predictor.signature import signer
from predictor.training.pipeline import Trained
from tests.mounted import Write

Change = Callable[[ModelProto], None]
Content = TypeVar("Content")


def written(trained: Trained) -> Write:
    """Return what writes a bundle to a folder."""
    return lambda folder: bundle.write(folder, trained.manifest, trained.files)


def damaged(write: Write, name: str, damage: Callable[[bytes], bytes]) -> Write:
    """Return what writes a bundle, and then changes a file of it."""

    def write_damaged(folder: Path) -> None:
        write(folder)
        (folder / name).write_bytes(damage((folder / name).read_bytes()))

    return write_damaged


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def signed(write: Write, key: Path) -> Write:
    """Return what writes a bundle, and signs it as it is."""

    def write_signed(folder: Path) -> None:
        write(folder)
        (folder / SIGNATURE).write_bytes(signer(key)((folder / MANIFEST).read_bytes()))

    return write_signed


def changed(trained: Trained, change: Change) -> Trained:
    """Return a bundle with another graph, and every digest as it should be.

    What explained the predictions of the one before explains those of this one no more.
    """
    model = onnx.load_model_from_string(trained.files[bundle.MODEL])
    change(model)
    content = model.SerializeToString()
    manifest = msgspec.structs.replace(
        trained.manifest,
        files=_unexplained(trained.manifest.files) | {bundle.MODEL: bundle.digest(content)},
        version=bundle.version_of(trained.manifest.contract, content),
    )
    return Trained(manifest, {**_unexplained(trained.files), bundle.MODEL: content})


def unexplained(trained: Trained) -> Trained:
    """Return the bundle as it was written before there were explanations."""
    files = _unexplained(trained.manifest.files)
    manifest = msgspec.structs.replace(trained.manifest, files=files)
    return Trained(manifest, _unexplained(trained.files))


def _unexplained(files: Mapping[str, Content]) -> dict[str, Content]:
    return {name: content for name, content in files.items() if name != bundle.EXPLANATION}


def rewritten(trained: Trained, folder: Path, change: Change) -> Path:
    """Write the bundle with a changed graph, and every digest as it should be."""
    other = changed(trained, change)
    bundle.write(folder, other.manifest, other.files)
    return folder


def scale_leaves(model: ModelProto, factor: float) -> None:
    """Let a graph predict something else, by so much that nothing hides it."""
    trees = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    weights = next(a for a in trees.attribute if a.name == "leaf_weights")
    weights.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights.t) * factor))


def another_version(trained: Trained, number: int) -> Trained:
    """Return a bundle that is right, and predicts something else for every number."""
    other = changed(trained, lambda model: scale_leaves(model, 1 + number / 64))
    golden = _answered(other.manifest, other.files[bundle.MODEL])
    return Trained(msgspec.structs.replace(other.manifest, golden=golden), other.files)


def _answered(manifest: Manifest, model: bytes) -> Golden:
    """Return a bundle's golden rows with what its graph predicts for them."""
    rows, contract = manifest.golden.rows, manifest.contract
    columns = np.array(contract.encode_rows(rows), np.float64)
    answers = graph.predict(graph.load(model), contract, columns).by_name()
    native = manifest.golden.native
    return Golden(rows, answers[PREDICTION], native, answers[LOWER], answers[UPPER])


def another_contract(trained: Trained) -> Trained:
    """Return a bundle of the same graph, which allows its columns more."""
    contract = trained.manifest.contract
    first, *others = contract.columns
    wider = msgspec.structs.replace(first, maximum=first.maximum * 2)
    contract = msgspec.structs.replace(contract, columns=(wider, *others))
    version = bundle.version_of(contract, trained.files[bundle.MODEL])
    manifest = msgspec.structs.replace(trained.manifest, contract=contract, version=version)
    return Trained(manifest, trained.files)


def another_name(trained: Trained) -> Trained:
    """Return the bundle under the name of another model."""
    return Trained(msgspec.structs.replace(trained.manifest, name="other"), trained.files)


def wrong_answers(trained: Trained) -> Trained:
    """Return a bundle whose graph does not predict what it promises."""
    return changed(trained, lambda model: scale_leaves(model, 1.5))


def hostile(trained: Trained) -> Trained:
    """Return a bundle whose graph reads a file of the machine."""

    def read_a_file(model: ModelProto) -> None:
        tensor = numpy_helper.from_array(np.zeros(1), "secret")
        external_data_helper.set_external_data(tensor, "/etc/passwd")
        model.graph.initializer.append(tensor)

    return changed(trained, read_a_file)
