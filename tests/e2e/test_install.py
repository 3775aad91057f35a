"""`helm install` on a cluster with KServe, and all that comes of it."""

import json
import re

import httpx
import pytest

from predictor.bundle import Manifest
from tests.e2e.cluster import (
    DEPLOYMENT,
    RELEASE,
    SERVICE,
    Namespace,
    Object,
    options,
    raw,
    run,
    wait_for,
)
from tests.e2e.prometheus import prometheus, query
from tests.e2e.serving import INFER, PREDICT, REQUESTS, ask_both, predicted
from tests.paths import CHART, ROOT

BESIDE = {
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
}


def decoded(stream: str) -> list[Object]:
    """Return the objects that kubectl prints one behind the other."""
    decoder, found = json.JSONDecoder(), []
    while stream := stream.lstrip():
        one, end = decoder.raw_decode(stream)
        found.append(one)
        stream = stream[end:]
    return found


def own_account(namespace: Namespace) -> str:
    """Make the ServiceAccount, without which the API server refuses a pod even in a dry run."""
    namespace.kubectl("create", "serviceaccount", RELEASE)
    return RELEASE


def test_the_api_server_takes_every_object_of_the_chart(
    empty_namespace: Namespace, rendering: dict[str, str]
) -> None:
    more = ("podMonitor", "alerts", "networkPolicy", *(["ingress"] if rendering else []))
    values = (
        rendering | {f"{key}.enabled": "true" for key in more} | {"ingress.hosts": "{a.example}"}
    )
    values |= {
        "serviceAccount.create": "false",
        "serviceAccount.name": own_account(empty_namespace),
    }
    sets = [option for key, value in values.items() for option in ("--set", f"{key}={value}")]
    rendered = empty_namespace.helm("template", RELEASE, str(CHART), *sets)
    strict = ("--dry-run=server", "--validate=strict", "--output=json", "--filename=-")
    applied = decoded(empty_namespace.kubectl("create", *strict, stdin=rendered))
    names = set(re.findall(r"^kind: (\w+)", rendered, re.MULTILINE))
    assert {found["kind"] for found in applied} == names
    assert len(names) == len(BESIDE) + (3 if rendering else 1)
    assert names >= BESIDE


def test_the_api_server_would_refuse_an_object_that_it_does_not_know(
    empty_namespace: Namespace,
) -> None:
    rendered = empty_namespace.helm("template", RELEASE, str(CHART))
    wrong = rendered.replace("readinessProbe:", "readynessProbe:")
    assert wrong != rendered
    with pytest.raises(
        AssertionError, match=r'unknown field "spec.predictor.containers.*readyness'
    ):
        empty_namespace.kubectl(
            "apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=wrong
        )


def test_golden_rows_are_predicted_through_port_forward(
    client: httpx.Client, manifest: Manifest
) -> None:
    answer = client.post(PREDICT, json={"instances": manifest.golden.rows})
    assert answer.status_code == 200
    body, golden = answer.json(), manifest.golden
    assert body["predictions"] == pytest.approx(golden.predictions, abs=1e-9)
    assert body["lower"] == pytest.approx(golden.lower, abs=1e-9)
    assert body["upper"] == pytest.approx(golden.upper, abs=1e-9)


def test_the_service_is_reached_through_the_api_server(namespace: Namespace) -> None:
    service = f"/api/v1/namespaces/{namespace.name}/services/{SERVICE}:80/proxy"
    assert raw(f"{service}/v1/models") == {"models": ["energy"]}
    assert raw(f"{service}/v2/health/ready") == {"ready": True}
    assert raw(f"{service}/v2/models/energy/ready") == {"name": "energy", "ready": True}


def test_helm_test_makes_predictions_from_a_pod(namespace: Namespace) -> None:
    assert "Phase:          Succeeded" in namespace.helm("test", RELEASE, "--logs")


def test_kserve_makes_the_deployment_that_the_chart_makes_without_it(
    namespace: Namespace, empty_namespace: Namespace, image: str
) -> None:
    """Scanners judge the chart's own, so it must be what runs."""
    sets = options(image, {"kserve.enabled": "false"})
    dry = ("--dry-run=server", "--output=json", "--filename=-")
    account = own_account(empty_namespace)
    sets += ["--set", f"serviceAccount.create=false,serviceAccount.name={account}"]
    rendered = empty_namespace.helm("template", RELEASE, str(CHART), *sets)
    own = {
        found["kind"]: found
        for found in decoded(empty_namespace.kubectl("create", *dry, stdin=rendered))
    }
    made = namespace.get("deployment", DEPLOYMENT)
    [container] = made["spec"]["template"]["spec"]["containers"]
    # All that KServe adds, which the server does not read.
    container["env"] = [e for e in container["env"] if e["name"] != "INFERENCE_SERVICE_NAME"]
    for path in (("template", "spec"), ("strategy",)):
        wanted, found = own["Deployment"]["spec"], made["spec"]
        for key in path:
            wanted, found = wanted[key], found[key]
        assert found == wanted
    ports = own["Service"]["spec"]["ports"]
    for port, other in zip(namespace.get("service", SERVICE)["spec"]["ports"], ports, strict=True):
        named = ("name", "port", "protocol", "appProtocol")
        assert [port.get(key) for key in named] == [other.get(key) for key in named]


def test_the_pod_runs_without_root_within_its_limits(namespace: Namespace) -> None:
    status = namespace.execute("cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert fields["CapEff"] == "0" * 16
    assert fields["NoNewPrivs"] == "1"
    with pytest.raises(AssertionError, match="Read-only file system"):
        namespace.execute("touch", "/app/file")
    assert _memory_limit(namespace) == 2 * 1024**3
    assert _cpu_limit(namespace) == 2
    restarts = [status["restartCount"] for pod in namespace.pods() for status in _containers(pod)]
    assert restarts
    assert not any(restarts)


def test_the_image_holds_no_library_that_trains(namespace: Namespace) -> None:
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    installed = set(namespace.execute("python", "-c", code).lower().split())
    assert "onnxruntime" in installed
    trainers = {"xgboost", "xgboost-cpu", "lightgbm", "catboost", "onnx", "pandas", "spox", "pip"}
    assert not installed & trainers


def test_the_images_health_check_succeeds_where_the_server_runs(namespace: Namespace) -> None:
    """Kubernetes has probes of its own, so the command is taken from the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    command = json.loads(text.split("HEALTHCHECK", 1)[1].split("CMD", 1)[1].split("\n")[0])
    namespace.execute(*command)
    wrong = [part.replace("/v2/health/ready", "/nothing") for part in command]
    with pytest.raises(AssertionError):
        namespace.execute(*wrong)


def test_the_autoscaler_reads_the_cpu_and_keeps_two_pods(namespace: Namespace) -> None:
    def utilization() -> int | None:
        status = namespace.get("horizontalpodautoscaler", RELEASE)["status"]
        for metric in status.get("currentMetrics") or []:
            found: int | None = (
                metric.get("resource", {}).get("current", {}).get("averageUtilization")
            )
            if found is not None:
                return found
        return None

    wait_for(lambda: utilization() is not None, "the autoscaler to read the CPU")
    wait_for(
        lambda: namespace.get("deployment", DEPLOYMENT)["status"].get("readyReplicas") == 2,
        "the autoscaler to start its second pod",
    )


def test_prometheus_scrapes_the_pods_and_counts_what_was_sent(
    namespace: Namespace, client: httpx.Client, grpc_address: str, manifest: Manifest
) -> None:
    proxy = prometheus()

    def every_pod_is_up() -> bool:
        up = query(proxy, f'up{{namespace="{namespace.name}"}} == 1', "pod")
        return {pod["metadata"]["name"] for pod in namespace.pods()} <= set(up)

    wait_for(every_pod_is_up, "Prometheus to scrape every pod")
    routes = f'route=~"{PREDICT}|{INFER}",code=~"200|OK"'
    series = f'sum by (pod) ({REQUESTS}{{namespace="{namespace.name}",{routes}}})'
    before = predicted(namespace)
    ask_both(client, grpc_address, manifest, times=25)
    assert predicted(namespace) == before + 50
    wait_for(
        lambda: sum(query(proxy, series, "pod").values()) >= before + 50,
        "Prometheus to count the requests",
    )
    assert sum(query(proxy, series, "pod").values()) == before + 50


def test_the_notes_say_how_to_ask_for_a_prediction(
    namespace: Namespace, client: httpx.Client
) -> None:
    notes = namespace.helm("get", "notes", RELEASE)
    assert f"kubectl -n {namespace.name} port-forward service/{SERVICE} 8080:80" in notes
    body = notes.split("-d '")[1].split("'")[0]
    assert client.post(PREDICT, json=json.loads(body)).status_code == 200


def test_uninstalling_leaves_nothing_behind(
    empty_namespace: Namespace, image: str, rendering: dict[str, str]
) -> None:
    kinds = run(
        "kubectl", "api-resources", "--namespaced", "--verbs=list,delete", "-o=name"
    ).split()
    listed = ",".join(kind for kind in kinds if not kind.startswith("events"))

    def objects() -> set[str]:
        return set(empty_namespace.kubectl("get", listed, "--output=name").split())

    before = objects()
    empty_namespace.install(image, rendering)
    assert len(objects() - before) >= 5
    empty_namespace.helm("uninstall", RELEASE)
    wait_for(lambda: objects() == before, "every object to be gone")


def _containers(pod: Object) -> list[Object]:
    statuses: list[Object] = pod["status"]["containerStatuses"]
    return statuses


def _memory_limit(namespace: Namespace) -> int:
    """Return the container's memory limit in bytes, by version 2 or 1 of control groups."""
    files = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    return int(namespace.execute("sh", "-c", f"cat {files[0]} 2>/dev/null || cat {files[1]}"))


def _cpu_limit(namespace: Namespace) -> float:
    """Return the container's CPUs, by version 2 or 1 of control groups."""
    cpu = "/sys/fs/cgroup/cpu"
    version_1 = f"cat {cpu}/cpu.cfs_quota_us {cpu}/cpu.cfs_period_us"
    shown = namespace.execute("sh", "-c", f"cat {cpu}.max 2>/dev/null || {version_1}")
    quota, period = shown.split()
    return int(quota) / int(period)
