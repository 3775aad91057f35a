"""Every protocol through the Service that KServe makes, answered by every worker of a pod."""

import sys
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from predictor.bundle import Manifest
from tests.e2e.cluster import SERVICE, Namespace, run
from tests.e2e.serving import ask_both, infer, predicted

INFERENCE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
SERVING = health_pb2.HealthCheckResponse.SERVING

# A namespace is gone sooner whose pods have little to wait for.
SHORT_LIVED = {"shutdown.preStopSleepSeconds": "1", "shutdown.drainSeconds": "1"}

# Asks by the name of the Service; the image has all that it takes.
ASK_THE_SERVICE = f"""
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    request = health_pb2.HealthCheckRequest(service="{INFERENCE}")
    print(health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status)
"""


def test_the_service_has_grpc_beside_http(namespace: Namespace) -> None:
    ports = namespace.get("service", SERVICE)["spec"]["ports"]
    named = {port["name"]: port for port in ports}
    assert (named["http"]["port"], named["grpc"]["port"]) == (80, 8081)
    assert named["http"]["targetPort"] in {8080, "http"}
    assert named["grpc"]["targetPort"] in {8081, "grpc"}
    assert named["grpc"]["appProtocol"] == "kubernetes.io/h2c"
    assert "appProtocol" not in named["http"]


def test_golden_rows_are_predicted_over_grpc(grpc_address: str, manifest: Manifest) -> None:
    answer = infer(grpc_address, manifest)
    assert (answer.model_name, answer.model_version) == (manifest.name, manifest.version)
    found = {output.name: list(output.contents.fp64_contents) for output in answer.outputs}
    golden = manifest.golden
    assert found[manifest.contract.target.name] == pytest.approx(golden.predictions, abs=1e-9)
    assert found["lower"] == pytest.approx(golden.lower, abs=1e-9)
    assert found["upper"] == pytest.approx(golden.upper, abs=1e-9)


def test_health_and_reflection_are_there_over_grpc(grpc_address: str) -> None:
    with grpc.insecure_channel(grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", INFERENCE):
            request = health_pb2.HealthCheckRequest(service=service)
            assert stub.Check(request, timeout=10).status == SERVING
        assert set(ProtoReflectionDescriptorDatabase(channel).get_services()) >= {INFERENCE, HEALTH}


def test_a_pod_reaches_grpc_by_the_services_name(namespace: Namespace) -> None:
    address = f"{SERVICE}.{namespace.name}.svc:8081"
    assert int(namespace.execute("python", "-c", ASK_THE_SERVICE, address)) == SERVING


def test_a_pod_has_a_worker_for_each_cpu_of_its_limit(namespace: Namespace) -> None:
    [container] = namespace.pods()[0]["spec"]["containers"]
    assert container["resources"]["limits"]["cpu"] == "2"
    assert _workers(namespace) == 2


@pytest.mark.parametrize(
    ("values", "workers"),
    [
        ({"resources.limits.cpu": "1"}, 1),
        ({"resources.limits.cpu": "3"}, 3),
        ({"resources.limits.cpu": "1", "workers": "2"}, 2),
    ],
)
def test_the_number_of_workers_follows_the_limit_unless_it_is_named(
    empty_namespace: Namespace, image: str, values: dict[str, str], workers: int
) -> None:
    empty_namespace.install(image, SHORT_LIVED | values)
    assert _workers(empty_namespace) == workers


def test_a_pod_counts_what_all_of_its_workers_answered(
    namespace: Namespace, client: httpx.Client, grpc_address: str, manifest: Manifest
) -> None:
    assert _workers(namespace) > 1
    before = predicted(namespace)
    ask_both(client, grpc_address, manifest, times=40)
    assert predicted(namespace) == before + 80


def test_the_service_keeps_the_rules_of_the_protocols(
    namespace: Namespace, client: httpx.Client, tmp_path: Path
) -> None:
    pod = namespace.pods()[0]["metadata"]["name"]
    namespace.kubectl("cp", f"{pod}:bundle", str(tmp_path))
    url, bundle = str(client.base_url), ("--bundle", str(tmp_path))
    said = run(sys.executable, "-m", "predictor", "conformance", url, *bundle)
    assert " 0 MUST and 0 SHOULD failed" in said.splitlines()[-1]


def _workers(namespace: Namespace) -> int:
    """Return how many processes of a pod answer: the server's children, or without any itself."""
    return len(namespace.execute("cat", "/proc/1/task/1/children").split()) or 1
