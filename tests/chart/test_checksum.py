"""By the checksum on its pods one tells whether KServe's Deployment is up to date."""

import pytest

from tests.chart.helm import Render


def checksum(render: Render, *sets: str) -> str:
    annotations = render(*sets)["InferenceService"]["spec"]["predictor"]["annotations"]
    found: str = annotations["checksum/pod"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        "image.tag=next",
        "logLevel=DEBUG",
        "resources.limits.cpu=1",
        "podLabels.team=meters",
        "podAnnotations.team=meters",
        "labels.team=meters",
        "kserve.annotations.team=meters",
        "autoscaling.enabled=false",
        "scrapeAnnotations.enabled=true",
    ],
)
def test_what_changes_the_pods_changes_it(render: Render, change: str) -> None:
    assert checksum(render, change) != checksum(render)


@pytest.mark.parametrize(
    "change",
    [
        "autoscaling.maxReplicas=9",
        "rollout.maxSurge=2",
        "podDisruptionBudget.enabled=false",
        "networkPolicy.enabled=true",
        "podMonitor.enabled=true",
    ],
)
def test_what_leaves_the_pods_alone_leaves_it_and_restarts_none(
    render: Render, change: str
) -> None:
    assert checksum(render, change) == checksum(render)


def test_without_kserve_there_is_none(render: Render) -> None:
    template = render("kserve.enabled=false")["Deployment"]["spec"]["template"]
    assert "checksum/pod" not in template["metadata"].get("annotations", {})
