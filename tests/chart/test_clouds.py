"""The files for GKE, EKS and AKS: values of our chart, values of KServe's, and a Gateway."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import Objects, helm
from tests.missing import missing
from tests.paths import CHART, ROOT
from tests.scan.schemas import module_folder

CLOUDS = ROOT / "docs" / "clouds"
KSERVE = "github.com/kserve/kserve@v0.20.0"
FILES = ("gke-values.yaml", "eks-values.yaml", "aks-values.yaml")


def rendered(chart: Path, values: Path) -> list[dict[str, Any]]:
    result = helm("template", "energy", str(chart), "--namespace", "plant", "-f", str(values))
    assert result.returncode == 0, result.stderr
    return [found for found in yaml.safe_load_all(result.stdout) if found]


@pytest.fixture(params=FILES)
def objects(request: pytest.FixtureRequest) -> Objects:
    return {found["kind"]: found for found in rendered(CHART, CLOUDS / request.param)}


def test_kserve_makes_the_pods_and_finds_their_image_by_its_digest(objects: Objects) -> None:
    asked = objects["InferenceService"]["spec"]["predictor"]
    [container] = asked["containers"]
    assert container["image"].endswith("/energy-predictor@sha256:" + 64 * "0")
    assert "Deployment" not in objects


def test_the_pods_have_an_account_that_is_granted_nothing(objects: Objects) -> None:
    asked = objects["InferenceService"]["spec"]["predictor"]
    assert asked["automountServiceAccountToken"] is False
    assert asked["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]
    # An annotation would be a role in the cloud.
    assert "annotations" not in objects["ServiceAccount"]["metadata"]


def test_the_pods_run_as_nobody_and_write_nowhere(objects: Objects) -> None:
    asked = objects["InferenceService"]["spec"]["predictor"]
    assert asked["securityContext"]["runAsUser"] == 10001
    assert asked["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_keys_come_from_a_secret_and_requests_from_the_gateway(objects: Objects) -> None:
    asked = objects["InferenceService"]["spec"]["predictor"]
    assert {"secretName": "energy-keys"} in [it.get("secret") for it in asked["volumes"]]
    sources = objects["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    namespaces = [it["namespaceSelector"] for it in sources if "namespaceSelector" in it]
    assert namespaces == [{"matchLabels": {"kubernetes.io/metadata.name": "envoy-gateway-system"}}]


def test_the_pods_go_where_the_image_runs(objects: Objects) -> None:
    asked = objects["InferenceService"]["spec"]["predictor"]
    assert asked["nodeSelector"]["kubernetes.io/arch"] == "amd64"
    assert len(asked["nodeSelector"]) == 2  # and where nodes are cheap


def test_kserve_is_told_of_the_gateway_that_there_is() -> None:
    if not shutil.which("go"):
        missing("go is not installed, which brings KServe's chart")
    chart = module_folder(KSERVE) / "charts" / "kserve-resources"
    found = rendered(chart, CLOUDS / "kserve-values.yaml")
    [config] = [it for it in found if it["metadata"]["name"] == "inferenceservice-config"]
    ingress, deploy = (json.loads(config["data"][key]) for key in ("ingress", "deploy"))
    gateway = yaml.safe_load((CLOUDS / "gateway.yaml").read_text())
    name = f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    assert ingress["kserveIngressGateway"] == name
    assert ingress["enableGatewayApi"] is True
    assert ingress["disableIngressCreation"] is False
    assert ingress["urlScheme"] == gateway["spec"]["listeners"][0]["protocol"].lower() == "https"
    assert gateway["spec"]["listeners"][0]["hostname"] == f"*.{ingress['ingressDomain']}"
    assert deploy["defaultDeploymentMode"] == "Standard"
