from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import msgspec
import pytest

from predictor.bundle import Manifest
from tests.e2e.cluster import Namespace, run

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", required=True, help="the server's image, which the nodes have")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.config.getoption("--image")
    return name


@contextmanager
def _namespace() -> Iterator[Namespace]:
    """Yield a namespace that takes no pod but a restricted one, and is gone afterwards."""
    name = f"energy-e2e-{uuid4().hex[:8]}"
    run("kubectl", "create", "namespace", name)
    try:
        run("kubectl", "label", "namespace", name, RESTRICTED)
        yield Namespace(name)
    finally:
        run("kubectl", "delete", "namespace", name)


@pytest.fixture
def empty_namespace() -> Iterator[Namespace]:
    with _namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def namespace(image: str) -> Iterator[Namespace]:
    """Yield a namespace in which the chart is installed and its pods are ready."""
    with _namespace() as namespace:
        namespace.install(image)
        yield namespace


@pytest.fixture(scope="session")
def manifest(namespace: Namespace) -> Manifest:
    """Return the manifest of the bundle in the image."""
    content = namespace.execute("cat", "/bundle/bundle.json")
    return msgspec.json.decode(content, type=Manifest)


@pytest.fixture(scope="session")
def client(namespace: Namespace) -> Iterator[httpx.Client]:
    with (
        namespace.port_forward(80) as address,
        httpx.Client(base_url=f"http://{address}") as client,
    ):
        yield client


@pytest.fixture(scope="session")
def grpc_address(namespace: Namespace) -> Iterator[str]:
    with namespace.port_forward(8081) as address:
        yield address
