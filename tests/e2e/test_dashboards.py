"""Every expression of the chart's dashboards has data, of real traffic in the real Prometheus."""

import math
from collections.abc import Iterator

import grpc
import httpx
import msgspec
import pytest

from charts.dashboards.query import FILES, Query, queries, read, replaced
from predictor.bundle import Manifest
from tests.e2e.cluster import RELEASE, Namespace, wait_for
from tests.e2e.conftest import new_namespace
from tests.e2e.prometheus import prometheus, values
from tests.e2e.serving import ask_both, infer

VALUES = {
    "podMonitor.enabled": "true",
    "alerts.enabled": "true",
    "dashboards.enabled": "true",
    # So that there is a window's drift within the test.
    "drift.step": "1m",
    "drift.window": "2m",
}
STEPS = ("preprocess", "predict", "postprocess")
ROUNDS = 5


@pytest.fixture(scope="module")
def watched(image: str) -> Iterator[Namespace]:
    """Yield a namespace whose pods are scraped, with the rules and the dashboards."""
    prometheus()
    with new_namespace() as namespace:
        namespace.install(image, VALUES)
        yield namespace


@pytest.fixture(scope="module")
def served(watched: Namespace) -> Manifest:
    """Return the manifest of the bundle in the image."""
    return msgspec.json.decode(watched.execute("cat", "/bundle/bundle.json"), type=Manifest)


@pytest.fixture(scope="module")
def asked(watched: Namespace, served: Manifest) -> Iterator["Traffic"]:
    with (
        watched.port_forward(80) as address,
        watched.port_forward(8081) as grpc_address,
        httpx.Client(base_url=f"http://{address}") as client,
    ):
        yield Traffic(client, grpc_address, served)


class Traffic:
    """Requests by every protocol, and some that are wrong."""

    def __init__(self, client: httpx.Client, grpc_address: str, manifest: Manifest) -> None:
        self._client = client
        self._grpc_address = grpc_address
        self._manifest = manifest
        self._rows = manifest.golden.rows
        self._encoded = manifest.contract.encode_rows(manifest.golden.rows)

    def send(self) -> None:
        """Ask a few times in every way."""
        ask_both(self._client, self._grpc_address, self._manifest, times=ROUNDS)
        rows = self._encoded
        tensor = {
            "name": "rows",
            "datatype": "FP64",
            "shape": [len(rows), len(rows[0])],
            "data": [list(row) for row in rows],
        }
        model = self._manifest.name
        for _ in range(ROUNDS):
            self._post(f"/v2/models/{model}/infer", {"inputs": [tensor]}, 200)
            self._post("/predict", self._rows[0], 200)
            self._post("/predict/batch", self._rows, 200)
            self._post(f"/v1/models/{model}:predict", {"instances": [{"nsm": "noon"}]}, 400)
            assert self._client.get("/nowhere").status_code == 404
        self._ask_wrongly()

    def _post(self, path: str, body: object, status: int) -> None:
        answer = self._client.post(path, json=body)
        assert answer.status_code == status, f"{path}: {answer.text}"

    def _ask_wrongly(self) -> None:
        """Ask over gRPC for a model that is not there."""
        wrong = msgspec.structs.replace(self._manifest, name="nobody")
        with pytest.raises(grpc.RpcError) as refused:
            infer(self._grpc_address, wrong)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def expressions(namespace: Namespace, column: str) -> dict[str, str]:
    """Return every expression of every dashboard, as Grafana would send it."""
    variables = {
        "namespace": namespace.name,
        "job": RELEASE,
        "column": column,
        "__rate_interval": "2m",
    }

    def named(dashboard: str, query: Query) -> tuple[str, str]:
        return f"{dashboard}: {query.name}", replaced(query.expression, variables)

    return dict(named(name, query) for name in FILES for query in queries(read(name)))


def of_kserve(namespace: Namespace) -> dict[str, str]:
    """Return what KServe's published dashboard asks for, by its metrics and the model's name."""
    chosen = f'namespace="{namespace.name}", model_name="{RELEASE}"'
    return {
        f"KServe: {step}": "histogram_quantile(0.5, sum by (le, model_name) "
        f"(rate(request_{step}_seconds_bucket{{{chosen}}}[2m])))"
        for step in STEPS
    }


def test_every_expression_has_data(watched: Namespace, asked: Traffic, served: Manifest) -> None:
    proxy = prometheus()
    column = served.contract.names[0]
    without = expressions(watched, column) | of_kserve(watched)
    assert len(without) > 50

    def every_one_has() -> bool:
        asked.send()
        for name, expression in list(without.items()):
            if any(math.isfinite(value) for value in values(proxy, expression)):
                del without[name]
        return not without

    up = f'up{{namespace="{watched.name}", job="{RELEASE}"}} == 1'
    wait_for(lambda: bool(values(proxy, up)), "Prometheus to scrape the pods")
    try:
        wait_for(every_one_has, "every panel to have data")
    except AssertionError as late:
        message = f"no data: {', '.join(without)}"
        raise AssertionError(message) from late


def test_grafanas_sidecar_would_find_them(watched: Namespace) -> None:
    [found] = watched.get("configmaps", "--selector", "grafana_dashboard=1")["items"]
    assert found["data"] == {
        f"energy-predictor-{name}.json": file.read_text() for name, file in FILES.items()
    }
