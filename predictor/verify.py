"""Looking into a bundle without trusting it: everything that can be known without its data."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from predictor import bundle, graph
from predictor.bundle import EXPLANATION, MANIFEST, MODEL, SIGNATURE, Bundle, Manifest
from predictor.errors import BundleError
from predictor.folder import Folder, opened
from predictor.inspection import fault
from predictor.signature import IsSigned


def verify(folder: Path, is_signed: IsSigned | None = None) -> Iterator[str]:
    """Yield a sentence for each thing that was found right; raises BundleError at the first wrong.

    Nothing is run before the digests and the graph have been looked at.
    """
    with opened(folder, MANIFEST) as files:
        found = bundle.read_from(files, is_signed)
        manifest = found.manifest
        yield f"{folder} is {manifest.name} {manifest.version}, track {manifest.track}"
        if is_signed:
            yield f"{SIGNATURE} is the key's signature of {MANIFEST}"
        yield _check_files(files, manifest)
    yield _check_graph(folder / MODEL, found.model)
    if found.explanation:
        yield _check_graph(folder / EXPLANATION, found.explanation)
    yield from _check_answers(folder, found)


def _check_files(files: Folder, manifest: Manifest) -> str:
    for name in manifest.files:
        bundle.content_of(files, name, manifest)
    known = {*manifest.files, MANIFEST, SIGNATURE}
    others = [name for name in files.names() if name not in known]
    if others:
        raise _wrong(files.path, f"has files that its manifest does not name: {', '.join(others)}")
    return f"{len(manifest.files)} files have their digests, and there are no others"


def _check_graph(path: Path, content: bytes) -> str:
    """Refuse a graph that leads out of itself, and one that ONNX's checker does not accept."""
    wrong = fault(content)
    if wrong:
        raise _wrong(path, wrong)
    import onnx  # which predicting does not need

    try:
        onnx.checker.check_model(content, full_check=True)
        operators = len(onnx.load_model_from_string(content).graph.node)
    except Exception as error:  # protobuf's and the checker's errors have no base class
        raise _wrong(path, f"is not a valid graph: {error}") from error
    return f"{operators} operators are ONNX's own, and no data lie outside {path.name}"


def _check_answers(folder: Path, found: Bundle) -> Iterator[str]:
    """Predict the golden rows, and compare with what is kept and with the libraries."""
    golden, parity, unit = (
        found.manifest.golden,
        found.manifest.parity,
        found.manifest.contract.target.unit,
    )
    answers = answers_of(folder, found)
    yield f"{len(golden.rows)} golden rows are predicted as at training"
    distance = golden.distance_from_the_libraries(answers)
    for what, largest in (("golden rows", distance), (f"{parity.rows} rows", parity.native)):
        if not largest <= parity.tolerance:
            allowed = f"{parity.tolerance:.1e} {unit} is allowed"
            raise _wrong(folder, f"is {largest:.1e} from the libraries on {what}, {allowed}")
    yield (
        f"parity with the libraries: {distance:.1e} {unit} on the golden rows now, "
        f"{parity.native:.1e} on {parity.rows} rows at training, {parity.tolerance:.1e} allowed"
    )


def answers_of(folder: Path, found: Bundle) -> dict[str, list[float]]:
    """Return what a bundle's graph gives for its golden rows.

    Raises BundleError when it cannot be run, or does not predict what it did at training.
    """
    contract, golden = found.manifest.contract, found.manifest.golden
    try:
        columns = np.array(contract.encode_rows(golden.rows), np.float64)
        outputs = graph.predict(graph.load(found.model), contract, columns)
        graph.check(outputs, contract, len(columns))
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise _wrong(folder, f"cannot be run: {error}") from error
    answers = outputs.by_name()
    wrong = golden.disagreement(answers)
    if wrong:
        raise _wrong(folder, f"does not predict what it did at training: {wrong}")
    return answers


def _wrong(path: Path, what: str) -> BundleError:
    return BundleError(f"{path} {what}")
