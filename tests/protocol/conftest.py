from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from predictor import bundle
from tests.protocol.process import Server, running


@pytest.fixture(scope="session")
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder, MAX_ROWS="100", MAX_BODY_BYTES="100000") as server:
        yield server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="session")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="session")
def manifest(bundle_folder: Path) -> bundle.Manifest:
    return bundle.read(bundle_folder).manifest
