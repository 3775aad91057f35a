from pathlib import Path

import pytest
from kubernetes import config

from predictor.deployment import cluster as cluster_module
from predictor.deployment.cluster import Cluster, connect
from predictor.deployment.found import Found
from predictor.errors import DeploymentError, UnreachableClusterError
from tests import deployer
from tests.unit.deployment.api_server import NAMESPACE, ApiServer, scene
from tests.unit.deployment.test_rollout import SERVICE

FORBIDDEN = (
    '{"kind": "Status", "message": "inferenceservices.serving.kserve.io \\"energy\\" is forbidden"}'
)


def test_all_of_a_release_is_read(api: ApiServer, cluster: Cluster) -> None:
    api.answers = scene("complete")
    found = cluster.look("energy")
    assert found.service
    assert found.deployment
    assert found.newest
    assert len(found.pods) == 2
    assert all(found.is_new(pod) and pod.is_ready for pod in found.pods)
    assert found.autoscaler
    assert found.autoscaler.metadata.name == "energy"


def test_without_kserve_nothing_of_it_is_asked_for(api: ApiServer, cluster: Cluster) -> None:
    api.answers = scene("deadline") | {SERVICE: "<html>"}
    assert cluster.look("energy").service is None
    api.answers = scene("complete") | {SERVICE: "<html>"}
    with pytest.raises(DeploymentError):
        cluster.look("energy")


def test_a_release_that_is_not_there_is_nothing(cluster: Cluster) -> None:
    assert cluster.look("energy") == Found()


def test_the_account_of_ci_may_read_all_that_is_asked_for(api: ApiServer, cluster: Cluster) -> None:
    api.answers = scene("complete")
    found = cluster.look("energy")
    cluster.log(found.pods[0].metadata.name, "kserve-container", is_previous=False)
    allowed, refused = deployer.allowed(), []
    for path in api.asked:
        above, _, below = path.partition(f"/namespaces/{NAMESPACE}/")
        group = above.split("/")[2] if above.startswith("/apis/") else ""
        resource, *name = below.split("/")
        verb, part = ("get", f"/{name[1]}" if name[1:] else "") if name else ("list", "")
        if verb not in allowed.get((group, resource + part), set()):
            refused.append(path)
    assert len(set(api.asked)) == 7
    assert refused == []


def test_the_namespace_is_the_contexts_unless_another_is_named(cluster: Cluster) -> None:
    assert cluster.namespace == NAMESPACE
    with connect("other") as other:
        assert other.namespace == "other"


def test_what_the_api_server_refuses_is_said_as_it_says_it(
    api: ApiServer, cluster: Cluster
) -> None:
    api.refusal = (403, FORBIDDEN)
    with pytest.raises(DeploymentError) as error:
        cluster.look("energy")
    expected = 'answers 403: inferenceservices.serving.kserve.io "energy" is forbidden'
    assert str(error.value) == f"the cluster's API server {expected}"
    assert not isinstance(error.value, UnreachableClusterError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_api_server_that_has_no_time_may_have_it_later(
    api: ApiServer, cluster: Cluster, status: int
) -> None:
    api.refusal = (status, "later")
    with pytest.raises(UnreachableClusterError, match=f"answers {status}: later"):
        cluster.look("energy")


def test_something_else_than_an_api_server_is_told(api: ApiServer, cluster: Cluster) -> None:
    api.refusal = (200, "<html>")
    with pytest.raises(DeploymentError, match="sends something else than was asked for"):
        cluster.look("energy")


def test_an_api_server_that_is_not_there_is_told(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "nobody"
    config.write_text((tmp_path / "config").read_text().replace(api.url, "http://127.0.0.1:9"))
    monkeypatch.setenv("KUBECONFIG", str(config))
    with connect() as cluster, pytest.raises(UnreachableClusterError, match="does not answer"):
        cluster.look("energy")


def test_without_a_cluster_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(DeploymentError, match="no cluster is named by KUBECONFIG"), connect():
        pass


@pytest.mark.usefixtures("api")
def test_a_pod_never_takes_its_own_cluster_for_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = tmp_path / "namespace"
    namespace.write_text("own")
    monkeypatch.setattr(cluster_module, "POD_NAMESPACE", namespace)
    with connect() as found:
        assert found.namespace != "own"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "misspelled"))
    with pytest.raises(DeploymentError, match="no cluster is named by KUBECONFIG"), connect():
        pass


def test_a_pod_without_a_kubeconfig_takes_its_own_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = tmp_path / "namespace"
    namespace.write_text("own")
    monkeypatch.setattr(cluster_module, "POD_NAMESPACE", namespace)
    monkeypatch.setattr(cluster_module, "OWN_CONFIG", tmp_path / "none")
    monkeypatch.setattr(config, "load_incluster_config", lambda _: None)  # a pod cannot be had here
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with connect() as found:
        assert found.namespace == "own"
