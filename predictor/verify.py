"""Looking into a bundle without trusting it: everything that can be known without its data."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, TensorProto

from predictor import bundle, graph
from predictor.bundle import MANIFEST, MODEL, SIGNATURE, Bundle, Manifest
from predictor.errors import BundleError
from predictor.signature import IsSigned

# ONNX's own operators: "" is another name of the first.
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}


def verify(folder: Path, is_signed: IsSigned | None = None) -> Iterator[str]:
    """Yield a sentence for each thing that was found right; raises BundleError at the first wrong.

    Nothing is run before the digests and the graph have been looked at.
    """
    found = bundle.read(folder, is_signed)
    manifest = found.manifest
    yield f"{folder} is {manifest.name} {manifest.version}, track {manifest.track}"
    if is_signed:
        yield f"{SIGNATURE} is the key's signature of {MANIFEST}"
    yield _check_files(folder, manifest)
    yield _check_graph(folder / MODEL, found.model)
    yield from _check_answers(folder, found)


def _check_files(folder: Path, manifest: Manifest) -> str:
    for name in manifest.files:
        bundle.content_of(folder, name, manifest)
    known = {*manifest.files, MANIFEST, SIGNATURE}
    others = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if others:
        raise _wrong(folder, f"has files that its manifest does not name: {', '.join(others)}")
    return f"{len(manifest.files)} files have their digests, and there are no others"


def _check_graph(path: Path, content: bytes) -> str:
    """Refuse a graph that is not valid, reads other files, or brings operators of its own."""
    model = _valid(path, content)
    foreign = sorted(_domains(model) - DOMAINS)
    if foreign:
        raise _wrong(path, f"has operators of other domains: {', '.join(foreign)}")
    if model.functions:
        raise _wrong(path, f"has functions of its own: {model.functions[0].name}")
    return f"{len(model.graph.node)} operators are ONNX's own, and no data lie outside {MODEL}"


def _valid(path: Path, content: bytes) -> ModelProto:
    """Return a valid graph; the checker, which looks for other files, is called without any."""
    try:
        model = onnx.load_model_from_string(content)
        outside = sum(_is_outside(tensor) for tensor in _tensors(model.graph))
        if not outside:
            onnx.checker.check_model(content, full_check=True)
    except Exception as error:  # protobuf's and the checker's errors have no base class
        raise _wrong(path, f"is not a valid graph: {error}") from error
    if outside:
        raise _wrong(path, f"reads {outside} of its tensors from other files")
    return model


def _check_answers(folder: Path, found: Bundle) -> Iterator[str]:
    """Predict the golden rows, and compare with what is kept and with the libraries."""
    golden, parity, unit = (
        found.manifest.golden,
        found.manifest.parity,
        found.manifest.contract.target.unit,
    )
    values, lower, upper = (end.tolist() for end in _predict(folder, found)[:3])
    wrong = golden.disagreement(values, lower, upper)
    if wrong:
        raise _wrong(folder, f"does not predict what it did at training: {wrong}")
    yield f"{len(golden.rows)} golden rows are predicted as at training"
    distance = golden.distance_from_the_libraries(values)
    for what, largest in (("golden rows", distance), (f"{parity.rows} rows", parity.native)):
        if not largest <= parity.tolerance:
            allowed = f"{parity.tolerance:.1e} {unit} is allowed"
            raise _wrong(folder, f"is {largest:.1e} from the libraries on {what}, {allowed}")
    yield (
        f"parity with the libraries: {distance:.1e} {unit} on the golden rows now, "
        f"{parity.native:.1e} on {parity.rows} rows at training, {parity.tolerance:.1e} allowed"
    )


def _predict(folder: Path, found: Bundle) -> graph.Outputs:
    contract = found.manifest.contract
    try:
        columns = np.array(contract.encode_rows(found.manifest.golden.rows), np.float64)
        outputs = graph.predict(graph.load(found.model), contract, columns)
        graph.check(outputs, contract, len(columns))
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise _wrong(folder, f"cannot be run: {error}") from error
    return outputs


def _wrong(path: Path, what: str) -> BundleError:
    return BundleError(f"{path} {what}")


def _graphs(graph_: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and all that lie in its operators' attributes."""
    yield graph_
    for node in graph_.node:
        for attribute in node.attribute:
            own = [attribute.g] if attribute.HasField("g") else []
            for inner in (*own, *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph_: GraphProto) -> Iterator[TensorProto]:
    for inner in _graphs(graph_):
        yield from inner.initializer
        sparse = list(inner.sparse_initializer)
        for node in inner.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        for tensor in sparse:
            yield from (tensor.values, tensor.indices)


def _is_outside(tensor: TensorProto) -> bool:
    return tensor.data_location == TensorProto.EXTERNAL or bool(tensor.external_data)


def _domains(model: ModelProto) -> set[str]:
    used = {node.domain for inner in _graphs(model.graph) for node in inner.node}
    return used | {opset.domain for opset in model.opset_import}
