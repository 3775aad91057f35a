"""What is refused is let go of at once: a request held until the garbage is collected is memory."""

import asyncio
import gc
import json
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from predictor import bundle
from predictor.contract import Row
from predictor.serving.engine import Engine
from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.grpc.server import _answer, _Inference
from predictor.serving.observability.arrivals import arrived
from predictor.serving.rest.routes import application
from predictor.serving.service import Service
from predictor.serving.settings import Settings

TIMES = 40


@pytest.fixture(scope="module")
def service(bundle_folder: Path) -> Service:
    return Service(Engine(bundle.read(bundle_folder)), Settings())


@pytest.fixture
def ungathered() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def left_over(refuse: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Return how many objects some refusals leave to the garbage collector."""
    for _ in range(3):  # caches are filled
        await refuse()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(TIMES):
        await refuse()
    return len(gc.get_objects()) - before


@pytest.mark.usefixtures("ungathered")
@pytest.mark.parametrize("path", ["/v1/models/energy:predict", "/predict/batch"])
def test_nothing_of_a_refused_row_is_left(service: Service, row: Row, path: str) -> None:
    rows = [row | {"nsm": -1}] * 3
    body = json.dumps({"instances": rows} if "v1" in path else rows).encode()
    app = application(service, Settings())

    async def refuse() -> None:
        statuses = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body}

        async def send(message: MutableMapping[str, Any]) -> None:
            statuses.append(message.get("status"))

        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        await app(scope, receive, send)
        assert statuses[0] in {400, 422}

    assert asyncio.run(left_over(refuse)) < TIMES


@pytest.mark.usefixtures("ungathered")
def test_nothing_of_a_refused_call_is_left(service: Service) -> None:
    tensor = {"name": "nsm", "datatype": "FP64", "shape": [1], "contents": {"fp64_contents": [1]}}
    request = pb.ModelInferRequest(model_name="energy", inputs=[tensor]).SerializeToString()
    handler = _Inference(service).model_infer

    async def refuse() -> None:
        code, _ = await _answer("/x", handler, pb.ModelInferRequest, request, arrived(None, None))
        assert code.name == "INVALID_ARGUMENT"

    assert asyncio.run(left_over(refuse)) < TIMES
