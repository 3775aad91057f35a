"""What a serialized graph may not have in it, found before anything else looks at it."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from predictor.contract import quote
from predictor.parts_pb2 import Attribute, Graph, Model, Tensor

# ONNX's own operators: "" is another name of the first.
DOMAINS = {b"", b"ai.onnx", b"ai.onnx.ml"}


def fault(content: bytes) -> str:
    """Return in words why a serialized graph is not one of plain operators and their data.

    That is nothing if it is: all its tensors are in it, and its operators are ONNX's own. What
    training never writes is refused as a whole: graphs inside operators, which may run for ever,
    functions, and sparse tensors.
    """
    try:
        model = Model.FromString(content)
    except DecodeError:
        return "is not a serialized ONNX model"
    graph, attributes = model.graph, [a for node in model.graph.node for a in node.attribute]
    outside = sum(map(_is_outside, _tensors(graph)))
    foreign = [quote(domain.decode(errors="replace")) for domain in _domains(model) - DOMAINS]
    faults = {
        "has graphs inside its operators": any(a.HasField("g") or a.graphs for a in attributes),
        "has functions of its own": bool(model.functions),
        "has training steps of its own": bool(model.training_info),
        "has sparse tensors": bool(graph.sparse_initializer) or any(map(_is_sparse, attributes)),
        f"reads {outside} of its tensors from other files": bool(outside),
        f"has operators of other domains: {', '.join(sorted(foreign))}": bool(foreign),
    }
    return next((words for words, is_found in faults.items() if is_found), "")


def _tensors(graph: Graph) -> Iterator[Tensor]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _is_outside(tensor: Tensor) -> bool:
    return bool(tensor.data_location or tensor.external_data)


def _is_sparse(attribute: Attribute) -> bool:
    return attribute.HasField("sparse_tensor") or bool(attribute.sparse_tensors)


def _domains(model: Model) -> set[bytes]:
    """Return the domains of all operators, and those that are imported."""
    used = {node.domain for node in model.graph.node}
    return used | {operators.domain for operators in model.opset_import}
