"""A fault of the server's own: it is logged, and the client learns nothing of it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import httpx
import numpy as np
import pytest

from predictor import bundle
from predictor.contract import Row
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Engine, Prediction
from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.observability.lines import as_json
from predictor.serving.processes import ports, worker
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from predictor.training.columns import CONTRACT


@pytest.fixture
def engine(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(bundle.read(bundle_folder))

    def fail(_batch: Batch) -> Prediction:
        message = "the secret of the engine"
        raise RuntimeError(message)

    monkeypatch.setattr(engine, "predict", fail)
    return engine


@asynccontextmanager
async def serving(engine: Engine) -> AsyncIterator[Settings]:
    """Yield the settings of a worker's server in this process, with an engine of its own."""
    with ports.bound("127.0.0.1", 0, 0, 1) as bound:
        settings = Settings(port=bound.http, grpc_port=bound.grpc)
        service, ready = Service(engine, settings), asyncio.Event()
        server = worker._Server(service, settings, ready.set)
        running = asyncio.create_task(server.serve(bound.listeners))
        await ready.wait()
        try:
            yield settings
        finally:
            server.should_exit = True
            await running


Ask = Callable[[Settings, Row], Awaitable[object]]


def by_http(path: str, *, in_chunks: bool) -> Ask:
    async def ask(settings: Settings, row: Row) -> object:
        body = json.dumps(row if path == "/predict" else {"instances": [row]}).encode()

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        url = f"http://127.0.0.1:{settings.port}{path}"
        headers = {"content-type": "application/json", "x-request-id": "my-name"}
        async with httpx.AsyncClient() as client:
            content = chunks() if in_chunks else body
            answer = await client.post(url, content=content, headers=headers)
        return answer.status_code, answer.json()

    return ask


async def by_grpc(settings: Settings, row: Row) -> object:
    codes = np.array(CONTRACT.encode_rows([row]))
    tensor = {"name": "rows", "datatype": "FP64", "shape": [1, 8]}
    request = pb.ModelInferRequest(
        model_name="energy", inputs=[tensor], raw_input_contents=[codes.tobytes()]
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", None, None)
        metadata = (("x-request-id", "my-name"),)
        with pytest.raises(grpc.RpcError) as error:
            await infer(request.SerializeToString(), metadata=metadata)
    return error.value.code().name, error.value.details()


PREDICT = "/v1/models/energy:predict"
INTERNAL = (500, {"error": "internal error"})


@pytest.mark.parametrize(
    ("ask", "answer", "logged"),
    [
        (by_http(PREDICT, in_chunks=False), INTERNAL, f"POST {PREDICT} failed"),
        (by_http(PREDICT, in_chunks=True), INTERNAL, f"POST {PREDICT} failed"),
        (by_http("/predict", in_chunks=False), INTERNAL, "POST /predict failed"),
        (by_grpc, ("INTERNAL", "internal error"), "ModelInfer failed"),
    ],
    ids=["the short way", "the long way", "the plain API", "gRPC"],
)
def test_an_internal_error_is_logged_and_tells_the_client_nothing(
    engine: Engine,
    row: Row,
    ask: Ask,
    answer: object,
    logged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def asked() -> object:
        async with serving(engine) as settings:
            return await ask(settings, row)

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(asked()) == answer
    [event] = [json.loads(as_json(record)) for record in caplog.records]
    assert event["message"].endswith(logged)
    assert "RuntimeError: the secret of the engine" in event["exception"]
    assert event["request_id"] == "my-name"
