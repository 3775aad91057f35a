"""The Prometheus of the cluster, if it has one."""

import httpx

from tests.e2e.cluster import Object, raw
from tests.missing import missing

PROMETHEUS = "prometheus-operated"  # what the operator calls the Service of every Prometheus


def prometheus() -> str:
    """Return the path of a Prometheus behind the API server; without one the test is skipped."""
    services = raw("/api/v1/services?fieldSelector=metadata.name=" + PROMETHEUS)["items"]
    if not services:
        missing("no Prometheus of the operator is in the cluster")
    namespace = services[0]["metadata"]["namespace"]
    return f"/api/v1/namespaces/{namespace}/services/{PROMETHEUS}:9090/proxy"


def query(proxy: str, expression: str, label: str) -> dict[str, float]:
    """Return an expression's samples by one of their labels."""
    found = _samples(proxy, expression)
    return {sample["metric"][label]: float(sample["value"][1]) for sample in found}


def values(proxy: str, expression: str) -> list[float]:
    """Return an expression's samples without their labels."""
    return [float(sample["value"][1]) for sample in _samples(proxy, expression)]


def _samples(proxy: str, expression: str) -> list[Object]:
    path = f"{proxy}/api/v1/query?{httpx.QueryParams({'query': expression})}"
    found: list[Object] = raw(path)["data"]["result"]
    return found
