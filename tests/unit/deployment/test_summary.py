import json
import re

import pytest

from predictor.deployment.cluster import Cluster
from predictor.deployment.found import Found
from predictor.deployment.helm import Installed
from predictor.deployment.release import require_complete, status
from predictor.deployment.summary import Status, as_json, summarize
from predictor.errors import DeploymentError
from tests.unit.deployment.api_server import NAMESPACE, Answers, ApiServer, scene
from tests.unit.deployment.test_rollout import DEPLOYMENT, SERVICE

INSTALLED = Installed("energy-predictor", "0.1.0", "0.1.0", 3, "deployed")


def summary(api: ApiServer, cluster: Cluster, answers: Answers) -> Status:
    api.answers = answers
    return summarize("energy", NAMESPACE, cluster.look("energy"), INSTALLED)


def test_a_status_is_a_page_of_all_that_one_asks_first(api: ApiServer, cluster: Cluster) -> None:
    lines = str(summary(api, cluster, scene("complete"))).splitlines()
    assert lines[0] == f"energy in {NAMESPACE}"
    assert lines[1:-3] == [
        "chart       energy-predictor 0.1.0 (app 0.1.0), revision 3, deployed",
        "image       localhost/energy-predictor:dev",
        "rollout     complete: 2 of 2 pods are new, 2 are available",
        "autoscaler  2 now, 2 wanted, 2 to 2 allowed",
        f"url         http://energy-predictor.{NAMESPACE}.svc",
        f"by KServe   {scene('complete')[SERVICE]['status']['url']}",
        "from here   kubectl --namespace plant port-forward service/energy-predictor 8080:80",
    ]
    assert lines[-3].split() == ["pod", "ready", "restarts", "age", "version", "image"]
    row = r"energy-predictor-\S+ +yes +0 +\d+\w +new +localhost/energy-predictor:dev"
    assert all(re.fullmatch(row, line) for line in lines[-2:])


def test_old_pods_are_told_from_new_ones(api: ApiServer, cluster: Cluster) -> None:
    found = summary(api, cluster, scene("rolling"))
    assert sorted(pod.is_new for pod in found.pods) == [False, False, True]


def test_trouble_has_its_line(api: ApiServer, cluster: Cluster) -> None:
    shown = str(summary(api, cluster, scene("crash")))
    assert (
        "\nrollout     not complete: 0 of 1 pods" in shown
        or "\nrollout     not complete: 1" in shown
    )
    assert "\ntrouble     pod energy-predictor-" in shown


def test_with_tls_the_url_says_so(api: ApiServer, cluster: Cluster) -> None:
    answers = scene("complete")
    [container] = answers[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    container["readinessProbe"]["httpGet"]["scheme"] = "HTTPS"
    expected = f"https://energy-predictor.{NAMESPACE}.svc:80"
    assert summary(api, cluster, answers).url == expected


def test_without_kserve_it_gives_out_no_address(api: ApiServer, cluster: Cluster) -> None:
    answers = scene("complete")
    del answers[SERVICE]
    assert summary(api, cluster, answers).kserve_url is None


def test_a_program_reads_the_same(api: ApiServer, cluster: Cluster) -> None:
    found = summary(api, cluster, scene("complete"))
    read = json.loads(as_json(found))
    assert read["is_complete"] is True
    assert read["helm"]["revision"] == 3
    assert [pod["name"] for pod in read["pods"]] == [pod.name for pod in found.pods]
    assert read["autoscaler"] == {"current": 2, "desired": 2, "least": 2, "most": 2}


def test_a_release_of_which_nothing_is_there_yet_has_a_status(
    api: ApiServer, cluster: Cluster
) -> None:
    found = summary(api, cluster, {})
    assert not found.is_complete
    assert "\nimage       none yet\n" in str(found)


@pytest.mark.usefixtures("api")
def test_a_release_of_which_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeploymentError, match="no release energy in the namespace plant"):
        status("energy")


def test_who_has_no_helm_still_sees_the_pods(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers = scene("complete")
    monkeypatch.setenv("PATH", "")
    found = status("energy")
    assert found.is_complete
    assert found.helm is None
    assert "\nchart       not told by helm\n" in str(found)


def test_a_rollout_that_is_not_complete_is_an_error_of_a_sentence() -> None:
    found = summarize("energy", NAMESPACE, Found(), None)
    expected = "the rollout of energy is not complete: there is no Deployment"
    with pytest.raises(DeploymentError, match=expected):
        require_complete(found)
