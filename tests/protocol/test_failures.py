"""A fault of the server's own: it is logged, and the client learns nothing of it."""

import asyncio
import logging
from pathlib import Path

import httpx
import pytest

from predictor import bundle
from predictor.contract import Row
from predictor.serving.batch import Batch
from predictor.serving.engine import Engine, Prediction
from predictor.serving.rest.routes import application
from predictor.serving.service import Service
from predictor.serving.settings import Settings


@pytest.fixture
def engine(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(bundle.read(bundle_folder))

    def fail(_batch: Batch) -> Prediction:
        message = "the secret of the engine"
        raise RuntimeError(message)

    monkeypatch.setattr(engine, "predict", fail)
    return engine


@pytest.mark.parametrize("path", ["/v1/models/energy:predict", "/predict"])
def test_an_internal_error_is_logged_and_tells_the_client_nothing(
    engine: Engine, row: Row, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(Service(engine, 100), Settings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.post(path, json=row if path == "/predict" else {"instances": [row]})

    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert f"POST {path} failed" in caplog.text
    assert "the secret of the engine" in caplog.text
