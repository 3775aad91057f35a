"""KServe's explainer component: the predictor's pods once more, which then explain nothing."""

from typing import Any

import pytest

from tests.chart.helm import Render, named, template

ON = "explainer.enabled=true"
CLASS = "serving.kserve.io/autoscalerClass"


def components(render: Render, *sets: str) -> tuple[dict[str, Any], dict[str, Any]]:
    spec = render(ON, *sets)["InferenceService"]["spec"]
    return spec["predictor"], spec["explainer"]


def explains(component: dict[str, Any]) -> list[str]:
    """Return what its server is told of EXPLAIN."""
    [container] = component["containers"]
    return [entry["value"] for entry in container["env"] if entry["name"] == "EXPLAIN"]


def test_there_is_none_unless_it_is_asked_for_and_the_predictor_explains(render: Render) -> None:
    spec = render()["InferenceService"]["spec"]
    assert "explainer" not in spec
    assert explains(spec["predictor"]) == []


def test_the_explainer_explains_and_the_predictor_does_not(render: Render) -> None:
    predictor, explainer = components(render)
    assert explains(predictor) == ["false"]
    assert explains(explainer) == []


def test_both_have_one_pod_specification_but_for_what_makes_them_two(render: Render) -> None:
    sets = ("tls.secretName=pair", "bundle.source=secret", "bundle.name=b", "podLabels.team=power")
    predictor, explainer = components(render, *sets)
    [server], [explaining] = predictor["containers"], explainer["containers"]
    assert explaining.pop("command") == ["sh", "-c", "exec python -m predictor serve"]
    server["env"] = [entry for entry in server["env"] if entry["name"] != "EXPLAIN"]
    for constraint in explainer["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].pop("component") == "explainer"
    for constraint in predictor["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].pop("component") == "predictor"
    beside = {"annotations", "minReplicas"}
    assert {key: explainer[key] for key in explainer.keys() - beside} == {
        key: predictor[key] for key in predictor.keys() - beside
    }


def test_nothing_scales_it_so_kserve_holds_its_number(render: Render) -> None:
    predictor, explainer = components(render, "explainer.replicas=3")
    assert explainer["minReplicas"] == 3
    assert explainer["annotations"][CLASS] == "none"
    assert CLASS not in predictor["annotations"]
    assert render(ON)["InferenceService"]["metadata"]["annotations"][CLASS] == "external"


def test_its_pods_tell_of_which_specification_they_are(render: Render) -> None:
    of_one = components(render)[1]["annotations"]["checksum/pod"]
    assert components(render, "logLevel=DEBUG")[1]["annotations"]["checksum/pod"] != of_one
    assert components(render)[0]["annotations"]["checksum/pod"] != of_one


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_its_requests_are_counted_too(render: Render, kind: str) -> None:
    key = f"{kind[0].lower()}{kind[1:]}"
    selector = render(ON, f"{key}.enabled=true")[kind]["spec"]["selector"]
    assert selector["matchExpressions"] == [
        {"key": "component", "operator": "In", "values": ["predictor", "explainer"]}
    ]
    assert "component" not in selector["matchLabels"]


def test_who_may_ask_the_predictor_may_ask_it() -> None:
    policies = named(template(ON, "networkPolicy.enabled=true").stdout, "NetworkPolicy")
    assert policies.keys() == {"energy", "energy-explainer"}
    asked, explaining = policies["energy"]["spec"], policies["energy-explainer"]["spec"]
    assert explaining.pop("podSelector")["matchLabels"]["component"] == "explainer"
    assert asked.pop("podSelector")["matchLabels"]["component"] == "predictor"
    assert explaining == asked


def test_no_node_waits_for_it_and_no_autoscaler_counts_it(render: Render) -> None:
    objects = render(ON)
    budget = objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert budget["component"] == "predictor"
    target = objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == "energy-predictor"
