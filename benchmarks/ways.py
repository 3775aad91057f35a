"""The ways to ask a server for rows: a body, its headers, and where the predictions stand."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from predictor.bundle import Manifest
from predictor.contract import INPUT, LOWER, UPPER, Column, Row
from predictor.serving.decoding import binary

V1, OWN, V2 = "V1 JSON", "JSON", "V2 JSON"
MATRIX, COLUMNS, GRPC = "V2 binary, matrix", "V2 binary, columns", "gRPC"
METHOD = "/inference.GRPCInferenceService/ModelInfer"
NUMPY = {"FP64": np.float64, "INT64": np.int64}

Read = Callable[[bytes, Mapping[str, str]], list[float]]


@dataclass(frozen=True)
class Way:
    """A request, and what reads the predictions out of its answer: a body and its headers."""

    name: str
    path: str
    body: bytes
    read: Read
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


def made(manifest: Manifest, rows: list[Row]) -> dict[str, Way]:
    """Return every way to ask for the same rows; all V2's ask for the same three outputs."""
    target = manifest.contract.target.name
    infer = f"/v2/models/{manifest.name}/infer"
    matrix = np.array(manifest.contract.encode_rows(rows), np.float64)
    instances = json.dumps({"instances": rows}).encode()
    as_matrix = [_tensor(INPUT, "FP64", matrix.shape)]
    as_json = {**_wanted(target), "inputs": [{**as_matrix[0], "data": matrix.ravel().tolist()}]}
    columns = [(column, [row[column.name] for row in rows]) for column in manifest.contract.columns]
    found = [
        Way(V1, f"/v1/models/{manifest.name}:predict", instances, _plain),
        Way(OWN, "/predict", instances, _plain),
        Way(V2, infer, json.dumps(as_json).encode(), _from_json(target)),
        _binary(MATRIX, infer, target, as_matrix, [binary.encode(matrix)]),
        _binary(
            COLUMNS,
            infer,
            target,
            [_tensor(column.name, column.datatype, (len(rows),)) for column, _ in columns],
            [_bytes(column, values) for column, values in columns],
        ),
        Way(GRPC, METHOD, _message(manifest.name, target, matrix), _from_message(target)),
    ]
    return {way.name: way for way in found}


def _tensor(name: str, datatype: str, shape: tuple[int, ...]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def _wanted(target: str, **parameters: bool) -> dict[str, object]:
    names = (target, LOWER, UPPER)
    return {
        "outputs": [
            {"name": n, **({"parameters": parameters} if parameters else {})} for n in names
        ]
    }


def _bytes(column: Column, values: list[float | int | str | None]) -> bytes:
    if column.datatype != "BYTES":
        return np.array(values, NUMPY[column.datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(binary.LENGTH.pack(len(text)) + text for text in texts)


def _binary(
    name: str, path: str, target: str, tensors: list[dict[str, object]], blobs: list[bytes]
) -> Way:
    inputs = [
        {**tensor, "parameters": {"binary_data_size": len(blob)}}
        for tensor, blob in zip(tensors, blobs, strict=True)
    ]
    head = json.dumps({**_wanted(target, binary_data=True), "inputs": inputs}).encode()
    headers = {"Content-Type": binary.CONTENT_TYPE, binary.HEADER: str(len(head))}
    return Way(name, path, head + b"".join(blobs), _from_binary(target), headers)


def _message(model: str, target: str, matrix: NDArray[np.float64]) -> bytes:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    request = pb.ModelInferRequest(
        model_name=model,
        inputs=[{"name": INPUT, "datatype": "FP64", "shape": matrix.shape}],
        outputs=[{"name": name} for name in (target, LOWER, UPPER)],
        raw_input_contents=[binary.encode(matrix)],
    )
    content: bytes = request.SerializeToString()
    return content


def _plain(body: bytes, _headers: Mapping[str, str]) -> list[float]:
    found: list[float] = json.loads(body)["predictions"]
    return found


def _from_json(target: str) -> Read:
    def read(body: bytes, _headers: Mapping[str, str]) -> list[float]:
        outputs = {output["name"]: output for output in json.loads(body)["outputs"]}
        found: list[float] = outputs[target]["data"]
        return found

    return read


def _from_binary(target: str) -> Read:
    def read(body: bytes, headers: Mapping[str, str]) -> list[float]:
        start = int(headers[binary.HEADER])
        for output in json.loads(body[:start])["outputs"]:
            end = start + output["parameters"]["binary_data_size"]
            if output["name"] == target:
                return _numbers(body[start:end])
            start = end
        raise KeyError(target)

    return read


def _from_message(target: str) -> Read:
    def read(body: bytes, _headers: Mapping[str, str]) -> list[float]:
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

        response = pb.ModelInferResponse.FromString(body)
        number = [output.name for output in response.outputs].index(target)
        if response.raw_output_contents:
            return _numbers(response.raw_output_contents[number])
        return list(response.outputs[number].contents.fp64_contents)

    return read


def _numbers(content: bytes) -> list[float]:
    found: list[float] = np.frombuffer(content, "<f8").tolist()
    return found
