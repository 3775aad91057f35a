from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from predictor.bundle import Manifest
from tests.e2e.cluster import Namespace, run
from tests.e2e.serving import manifest_of
from tests.missing import missing

# What makes the pods: KServe, or a Deployment of the chart's own.
RENDERINGS = {"kserve": {}, "deployment": {"kserve.enabled": "false"}}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", required=True, help="the server's image, which the nodes have")
    parser.addoption("--batch-image", help="the image that scores files, which the nodes have")
    parser.addoption(
        "--generated",
        action="append",
        default=[],
        metavar="FOLDER",
        help="what `predictor generate` made, whose image the nodes have",
    )


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.config.getoption("--image")
    return name


@pytest.fixture(scope="session")
def batch_image(request: pytest.FixtureRequest) -> str:
    name: str | None = request.config.getoption("--batch-image")
    return name or missing("no image that scores files is named by --batch-image")


@contextmanager
def new_namespace(level: str = "restricted") -> Iterator[Namespace]:
    """Yield a namespace that takes no pod but of a Pod Security level, and is gone afterwards."""
    name = f"energy-e2e-{uuid4().hex[:8]}"
    run("kubectl", "create", "namespace", name)
    try:
        run("kubectl", "label", "namespace", name, f"pod-security.kubernetes.io/enforce={level}")
        yield Namespace(name)
    finally:
        run("kubectl", "delete", "namespace", name)


@pytest.fixture
def empty_namespace() -> Iterator[Namespace]:
    with new_namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session", params=RENDERINGS)
def rendering(request: pytest.FixtureRequest) -> dict[str, str]:
    return RENDERINGS[request.param]


@pytest.fixture(scope="session")
def thorough(rendering: dict[str, str], *, is_long: bool) -> None:
    """Leave the chart's own Deployment, whose pods are the same, to the long form."""
    if rendering and not is_long:
        pytest.skip("of the chart's own Deployment only in the long form")


@pytest.fixture(scope="session")
def namespace(image: str, rendering: dict[str, str]) -> Iterator[Namespace]:
    """Yield a namespace in which the chart is installed and its pods are ready."""
    with new_namespace() as namespace:
        namespace.install(image, {"podMonitor.enabled": "true", **rendering})
        yield namespace


@pytest.fixture(scope="session")
def manifest(namespace: Namespace) -> Manifest:
    """Return the manifest of the bundle in the image."""
    return manifest_of(namespace)


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
