"""From the last version of the chart, with its values, to this one."""

from pathlib import Path

import pytest

from tests.e2e.cluster import DEPLOYMENT, RELEASE, Namespace, options, run, wait_for
from tests.paths import CHART

BEFORE = Path(__file__).parent / "data" / "energy-predictor-0.1.0.tgz"
# One of each kind of value that it had.
VALUES = {
    "workers": "1",
    "logLevel": "DEBUG",
    "podMonitor.enabled": "true",
    "shutdown.drainSeconds": "7",
    "probes.liveness.periodSeconds": "9",
    "autoscaling.maxReplicas": "2",
}


@pytest.fixture
def installed(empty_namespace: Namespace, image: str) -> Namespace:
    empty_namespace.install(image, VALUES, BEFORE)
    return empty_namespace


def kinds(namespace: Namespace) -> set[str]:
    """Return the objects that helm made, by their kinds and names."""
    release = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/managed-by=Helm"
    listed = (
        "inferenceservices,deployments,services,horizontalpodautoscalers,poddisruptionbudgets,"
        "serviceaccounts,podmonitors,networkpolicies"
    )
    found = namespace.kubectl("get", listed, "--selector", release, "--output=name").split()
    return set(found) - {f"deployment.apps/{DEPLOYMENT}", f"service/{DEPLOYMENT}"}


def test_the_last_versions_values_are_still_values(installed: Namespace) -> None:
    installed.helm("upgrade", RELEASE, str(CHART), "--reset-then-reuse-values")
    installed.rolled_out()
    assert f"poddisruptionbudget.policy/{RELEASE}" in kinds(installed)
    [container] = installed.pods()[0]["spec"]["containers"]
    told = {entry["name"]: entry["value"] for entry in container["env"]}
    assert (told["WORKERS"], told["LOG_LEVEL"], told["DRAIN_SECONDS"]) == ("1", "DEBUG", "7")
    assert container["livenessProbe"]["periodSeconds"] == 9
    assert "Phase:          Succeeded" in installed.helm("test", RELEASE)


def test_the_last_versions_defaults_are_refused_and_nothing_changes(installed: Namespace) -> None:
    """`--reuse-values` reuses them too, and they have no new keys."""
    before = kinds(installed)
    with pytest.raises(AssertionError, match="missing propert"):
        installed.helm("upgrade", RELEASE, str(CHART), "--reuse-values")
    assert kinds(installed) == before


def test_what_is_switched_off_is_taken_away(installed: Namespace, image: str) -> None:
    off = {
        **VALUES,
        "podMonitor.enabled": "false",
        "autoscaling.enabled": "false",
        "podDisruptionBudget.enabled": "false",
        "serviceAccount.create": "false",
        "replicas": "1",
    }
    installed.upgrade(image, off)
    assert kinds(installed) == {f"inferenceservice.serving.kserve.io/{RELEASE}"}
    # And from KServe to the chart's own, which has the same names.
    installed.helm("uninstall", RELEASE, "--wait")
    names = ("deployment,service", "--output=name")
    wait_for(lambda: not installed.kubectl("get", *names), "what KServe made to be gone")
    installed.install(image, {**off, "kserve.enabled": "false"})
    assert kinds(installed) == set()
    owner = installed.get("deployment", DEPLOYMENT)["metadata"]["labels"]
    assert owner["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize("key", ["keda.enabled", "httpRoute.enabled"])
def test_a_type_that_the_cluster_lacks_is_named_before_anything_is_made(
    empty_namespace: Namespace, image: str, key: str
) -> None:
    types = {
        "keda.enabled": "keda.sh/v1alpha1",
        "httpRoute.enabled": "gateway.networking.k8s.io/v1",
    }
    if types[key] in run("kubectl", "api-versions").split():
        pytest.skip(f"the cluster has {types[key]}")
    values = {
        "kserve.enabled": "false",
        "autoscaling.enabled": "false",
        "keda.prometheusAddress": "http://prometheus:9090",
        "httpRoute.parentRefs[0].name": "gateway",
        key: "true",
    }
    with pytest.raises(AssertionError, match=f"the cluster has no {types[key]}: install"):
        empty_namespace.helm("install", RELEASE, str(CHART), *options(image, values))
    assert kinds(empty_namespace) == set()
