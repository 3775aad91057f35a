"""Each scene is what a cluster answered; data/README.md says how they came about."""

import re
from copy import deepcopy

import pytest

from predictor.deployment.cluster import Cluster
from predictor.deployment.found import REVISION
from predictor.deployment.rollout import Rollout, judge
from tests.unit.deployment.api_server import NAMESPACE, Answers, ApiServer, scene

SERVICE = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices/energy"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/energy-predictor"


def judged(cluster: Cluster, api: ApiServer, answers: Answers) -> Rollout:
    api.answers = answers
    return judge(cluster.look("energy"))


def test_all_pods_new_and_available_is_complete(cluster: Cluster, api: ApiServer) -> None:
    found = judged(cluster, api, scene("complete"))
    assert found == Rollout(is_complete=True, sentence="2 of 2 pods are new, 2 are available")


def test_without_kserve_a_deployment_is_judged_alike(cluster: Cluster, api: ApiServer) -> None:
    answers = scene("complete")
    del answers[SERVICE]
    assert judged(cluster, api, answers).is_complete


def test_an_old_pod_that_is_left_makes_a_rollout_incomplete(
    cluster: Cluster, api: ApiServer
) -> None:
    found = judged(cluster, api, scene("rolling"))
    assert not found.is_complete
    assert found.trouble is None
    assert found.sentence == "1 of 2 pods is new, 2 are available, 2 old are left"


def test_the_inference_service_is_ready_meanwhile() -> None:
    """If this fails, KServe tells the truth by now, and it may be asked instead."""
    status = scene("rolling")[SERVICE]["status"]
    ready = [c["status"] for c in status["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]
    assert status["observedGeneration"] == scene("rolling")[DEPLOYMENT]["metadata"]["generation"]


@pytest.mark.parametrize("change", ["annotation", "label", "image"])
def test_a_deployment_of_an_earlier_inference_service_does_not_count(
    cluster: Cluster, api: ApiServer, change: str
) -> None:
    answers = scene("complete")
    asked = answers[SERVICE]["spec"]["predictor"]
    if change == "annotation":
        asked["annotations"]["checksum/pod"] = "another"
    elif change == "label":
        asked["labels"] = {"team": "meters"}
    else:
        asked["containers"][0]["image"] = "energy-predictor:next"
    found = judged(cluster, api, answers)
    assert not found.is_complete
    assert found.sentence == "KServe has not brought the Deployment up to date yet"


def test_what_kserve_refuses_is_trouble_though_the_deployment_is_complete(
    cluster: Cluster, api: ApiServer
) -> None:
    answers = scene("behind")
    found = judged(cluster, api, answers)
    assert not found.is_complete
    assert found.sentence == "KServe has not brought the Deployment up to date yet"
    assert found.trouble
    assert found.trouble.sentence.startswith("KServe cannot make the Deployment: ")
    assert 'Invalid value: "no label"' in found.trouble.sentence
    del answers[SERVICE]
    assert judged(cluster, api, answers).is_complete


def test_a_deployment_that_kserve_has_yet_to_make_is_waited_for(
    cluster: Cluster, api: ApiServer
) -> None:
    answers = scene("complete")
    del answers[DEPLOYMENT]
    expected = Rollout(is_complete=False, sentence="KServe has made no Deployment yet")
    assert judged(cluster, api, answers) == expected


def test_without_either_there_is_no_deployment(cluster: Cluster, api: ApiServer) -> None:
    assert judged(cluster, api, {}).sentence == "there is no Deployment"


def test_a_deployment_that_was_not_acted_on_does_not_count(
    cluster: Cluster, api: ApiServer
) -> None:
    answers = scene("complete")
    answers[DEPLOYMENT]["metadata"]["generation"] += 1
    found = judged(cluster, api, answers)
    assert not found.is_complete
    assert found.sentence == "the new Deployment has not been acted on yet"


@pytest.mark.parametrize(
    ("field", "value"),
    [("updatedReplicas", 1), ("availableReplicas", 1), ("replicas", 3), ("availableReplicas", 0)],
)
def test_a_pod_that_lacks_or_is_left_over_makes_a_rollout_incomplete(
    cluster: Cluster, api: ApiServer, field: str, value: int
) -> None:
    answers = scene("complete")
    answers[DEPLOYMENT]["status"][field] = value
    assert not judged(cluster, api, answers).is_complete


def test_fewer_pods_than_the_autoscaler_will_start_are_not_all(
    cluster: Cluster, api: ApiServer
) -> None:
    answers = scene("complete")
    answers[DEPLOYMENT]["spec"]["replicas"] = 1
    for field in ("replicas", "updatedReplicas", "availableReplicas"):
        answers[DEPLOYMENT]["status"][field] = 1
    found = judged(cluster, api, answers)
    assert not found.is_complete
    assert found.sentence == "1 of 1 pods is new, 1 is available, 2 will be wanted"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("image", r"container kserve-container is in ImagePullBackOff: .*no-such-tag"),
        ("crash", r"is in CrashLoopBackOff: it was started anew \w+( times)?, and ended with exit"),
        ("quota", r"no pod can be made: pods \"energy-predictor-\w+-\w+\" is forbidden: exceeded"),
        ("config", r"container kserve-container is in CreateContainerConfigError: .*nowhere"),
        ("deadline", r"the rollout makes no progress: .* has timed out progressing"),
    ],
)
def test_what_will_not_mend_itself_is_trouble(
    cluster: Cluster, api: ApiServer, name: str, sentence: str
) -> None:
    found = judged(cluster, api, scene(name))
    assert not found.is_complete
    assert found.trouble
    assert re.search(sentence, found.trouble.sentence)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("volume", r'; pod energy-predictor-\S+: .*configmap "nowhere" not found'),
        ("node", r"; pod energy-predictor-\S+ has no node: 0/1 nodes are available: .*cpu"),
    ],
)
def test_what_may_still_come_is_waited_for_and_named(
    cluster: Cluster, api: ApiServer, name: str, reason: str
) -> None:
    found = judged(cluster, api, scene(name))
    assert not found.is_complete
    assert found.trouble is None
    assert re.search(reason, found.sentence)


def test_a_crash_of_an_old_pod_is_no_trouble_of_the_new_version(
    cluster: Cluster, api: ApiServer
) -> None:
    answers = scene("crash")
    old = deepcopy(answers)
    [replica_set] = old[f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"]["items"]
    replica_set["metadata"]["annotations"][REVISION] = "0"
    assert judged(cluster, api, answers).trouble
    assert judged(cluster, api, old).trouble is None
