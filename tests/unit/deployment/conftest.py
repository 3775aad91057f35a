from collections.abc import Iterator
from pathlib import Path

import pytest

from predictor.deployment.cluster import Cluster, connect
from tests.unit.deployment.api_server import ApiServer, serving


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with serving(tmp_path) as api:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        yield api


@pytest.fixture
def cluster(api: ApiServer) -> Iterator[Cluster]:
    """Yield the namespace of the kubeconfig that names the API server."""
    api.answers = {}
    with connect() as cluster:
        yield cluster
