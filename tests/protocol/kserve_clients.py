"""Asks a server through KServe's own clients, and prints what they give back, as JSON.

It runs in a process of its own: KServe's messages and ours have the same names, and Protobuf takes
only one of them in a process.
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    InferResponse,
    RESTConfig,
)


async def main(url: str, grpc: str) -> dict[str, Any]:
    """Return every client's answers for the rows on standard input."""
    asked = json.load(sys.stdin)
    return {**await ask_rest(url, asked), **await ask_grpc(grpc, asked)}


async def ask_rest(url: str, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=1)) as v1:
        body = {"instances": asked["rows"]}
        found["v1"] = (await v1.infer(url, body, model_name="energy"))["predictions"]
        found["v1 ready"] = await v1.is_model_ready(url, "energy")
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=1)) as v2:
        for name, binary in (("v2", False), ("v2 binary", True)):
            answer = await v2.infer(url, matrix(asked["codes"], binary), model_name="energy")
            found[name] = values(answer)
        found["v2 ready"] = [
            await v2.is_server_live(url),
            await v2.is_server_ready(url),
            await v2.is_model_ready(url, "energy"),
        ]
    return found


async def ask_grpc(address: str, asked: dict[str, Any]) -> dict[str, Any]:
    async with InferenceGRPCClient(address, retries=2) as client:
        raw = await client.infer(matrix(asked["codes"], binary=True))
        typed = await client.infer(columns(asked["rows"]))
        ready = [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("energy"),
        ]
    return {"grpc raw": values(raw), "grpc typed": values(typed), "grpc ready": ready}


def matrix(codes: list[list[float]], binary: bool) -> InferRequest:  # noqa: FBT001
    array = np.array(codes, np.float64)
    tensor = InferInput("rows", list(array.shape), "FP64")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(
        model_name="energy",
        infer_inputs=[tensor],
        request_id="7",
        parameters={"binary_data_output": binary},
    )


def columns(rows: list[dict[str, Any]]) -> InferRequest:
    tensors = []
    for name in rows[0]:
        found = [row[name] for row in rows]
        if isinstance(found[0], str):
            datatype, found = "BYTES", [text.encode() for text in found]
        else:
            datatype = "INT64" if name in {"nsm", "day_of_week"} else "FP64"
        tensors.append(InferInput(name, [len(rows)], datatype, found))
    return InferRequest(model_name="energy", infer_inputs=tensors, request_id="7")


def values(answer: InferResponse) -> list[float]:
    assert answer.id == "7"
    found: list[float] = answer.outputs[0].as_numpy().tolist()
    return found


if __name__ == "__main__":
    json.dump(asyncio.run(main(*sys.argv[1:])), sys.stdout)
