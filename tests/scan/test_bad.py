"""Each scanner flags what it is there for, and no exception covers it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.paths import CHART, ROOT
from tests.scan import scanners
from tests.scan.exceptions import uncovered
from tests.scan.profiles import PROFILES, Document, as_job, installed, write
from tests.scan.scanners import Finding

# Made up here, or else they would be found in this file.
ACCESS_KEY = "AKIA" + "Z2Y4X6W8V1U3T5S7"
PASSWORD = "".join(reversed("3reteb-esroh-tcerroc"))


@dataclass(frozen=True)
class Bad:
    """A rule of a scanner, and what breaks it: a value at a path in the object of a kind.

    `pod` at the start of a path is the specification of the pods.
    """

    scanner: str
    rule: str
    kind: str
    path: str
    value: Any

    @property
    def name(self) -> str:
        """What the file and the namespace of the bad chart are called."""
        whole = f"{self.scanner} {self.rule} {self.kind} {self.path.split('.')[-1]}"
        return re.sub("[^a-z0-9]+", "-", whole.lower())


BAD = [
    Bad("kube-score", "container-resources", "Deployment", "pod.containers.0.resources", {}),
    Bad("kube-score", "container-image-tag", "Deployment", "pod.containers.0.image", "x:latest"),
    Bad("kube-score", "pod-probes", "Deployment", "pod.containers.0.readinessProbe", None),
    Bad(
        "kube-score",
        "container-security-context-readonlyrootfilesystem",
        "Job",
        "pod.containers.0.securityContext.readOnlyRootFilesystem",
        value=False,
    ),
    Bad(
        "kube-score",
        "deployment-has-poddisruptionbudget",
        "PodDisruptionBudget",
        "spec.selector.matchLabels.component",
        "other",
    ),
    Bad(
        "kube-score",
        "horizontalpodautoscaler-has-target",
        "HorizontalPodAutoscaler",
        "spec.scaleTargetRef.name",
        "other",
    ),
    Bad("kube-score", "service-targets-pod", "Service", "spec.selector.component", "other"),
    Bad("checkov", "CKV_K8S_9", "Deployment", "pod.containers.0.readinessProbe", None),
    Bad("checkov", "CKV_K8S_11", "Deployment", "pod.containers.0.resources.limits", {}),
    Bad(
        "checkov",
        "CKV_K8S_16",
        "Deployment",
        "pod.containers.0.securityContext.privileged",
        value=True,
    ),
    Bad("checkov", "CKV_K8S_19", "Deployment", "pod.hostNetwork", value=True),
    Bad(
        "checkov",
        "CKV_K8S_20",
        "Deployment",
        "pod.containers.0.securityContext.allowPrivilegeEscalation",
        value=True,
    ),
    Bad(
        "checkov",
        "CKV_K8S_22",
        "Deployment",
        "pod.containers.0.securityContext.readOnlyRootFilesystem",
        value=False,
    ),
    Bad("checkov", "CKV_K8S_31", "Deployment", "pod.securityContext.seccompProfile", {}),
    Bad("checkov", "CKV_K8S_37", "Job", "pod.containers.0.securityContext.capabilities", {}),
    Bad("checkov", "CKV_K8S_38", "Deployment", "pod.automountServiceAccountToken", value=True),
    Bad("checkov", "CKV_K8S_40", "Deployment", "pod.securityContext.runAsUser", 1000),
    Bad("kubeconform", "statusInvalid", "Deployment", "spec.minReadySecond", 1),
    Bad("kubeconform", "statusInvalid", "Service", "spec.ports.0.port", "http"),
    Bad("kubeconform", "statusInvalid", "Pod", "spec.containers.0.arg", []),
    Bad("kubeconform", "statusInvalid", "InferenceService", "spec.predictor.replicas", 2),
    Bad("kubeconform", "statusInvalid", "PodMonitor", "spec.podMetricEndpoints", []),
    Bad("kubeconform", "statusInvalid", "ServiceMonitor", "spec.endpoints.0.ports", "http"),
    Bad("kubeconform", "statusInvalid", "ScaledObject", "spec.maxReplicaCount", "12"),
    Bad("kubeconform", "statusInvalid", "HTTPRoute", "spec.hostname", "energy.example"),
    Bad("kubeconform", "statusError", "Ingress", "apiVersion", "networking.k8s.io/v2"),
    Bad("pluto", "policy/v1beta1", "PodDisruptionBudget", "apiVersion", "policy/v1beta1"),
    Bad(
        "pluto",
        "autoscaling/v2beta2",
        "HorizontalPodAutoscaler",
        "apiVersion",
        "autoscaling/v2beta2",
    ),
    Bad("detect-secrets", "AWS Access Key", "Service", "metadata.annotations", {"x": ACCESS_KEY}),
    Bad("detect-secrets", "Secret Keyword", "Service", "metadata.annotations.password", PASSWORD),
]


def changed(bad: Bad) -> list[Document]:
    """Return the objects of the first profile that has the kind, with the value in it."""
    for profile in ("plain", *PROFILES):
        documents = installed(profile, bad.name)
        if bad.kind == "Job":
            documents = [as_job(document) for document in documents]
        for document in documents:
            if document["kind"] == bad.kind:
                _put(document, bad.path, bad.value)
                return documents
    message = f"no profile has the kind {bad.kind}"
    raise LookupError(message)


def _put(below: Any, path: str, value: Any) -> None:  # noqa: ANN401 - of any form
    *above, last = re.sub("^pod[.]", "spec.template.spec.", path).split(".")
    for key in above:
        below = below[int(key)] if isinstance(below, list) else below.setdefault(key, {})
    below[last] = value


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory, schemas: Path) -> dict[str, list[Finding]]:
    """Return what each scanner finds in the charts that it must flag."""
    scan: dict[str, Callable[[Path], Iterator[Finding]]] = {
        "kube-score": scanners.kube_score,
        "checkov": scanners.checkov,
        "kubeconform": partial(scanners.kubeconform, schemas=schemas),
        "pluto": scanners.pluto,
        "detect-secrets": scanners.detect_secrets,
    }
    findings = {}
    for scanner, function in scan.items():
        folder = tmp_path_factory.mktemp(scanner)
        for bad in BAD:
            if bad.scanner == scanner:
                write(folder, bad.name, changed(bad))
        findings[scanner] = list(function(folder))
    return findings


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_chart_is_flagged(bad: Bad, found: dict[str, list[Finding]]) -> None:
    places = (f"{bad.name} ", f"{bad.name}.yaml:")  # an object of a file, or a line of it
    here = [it for it in found[bad.scanner] if it.place.startswith(places)]
    assert bad.rule in {it.rule for it in uncovered(bad.scanner, here)}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("DL3002", "USER 10001:10001", "# hadolint ignore=DL3002\nUSER root"),
        ("DL3007", "\nFROM ${BASE_IMAGE}\n", "\nFROM python:latest\n"),
        ("DL3008", "FROM ${BASE_IMAGE}\nENV", "FROM ${BASE_IMAGE}\nRUN apt-get -y install x\nENV"),
        ("DL3025", 'CMD ["serve"]', "CMD serve"),
        ("SC2046", "compileall -q /app", "compileall -q $(ls)"),
    ],
)
def test_a_bad_dockerfile_is_flagged(rule: str, good: str, bad: str, tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert good in text
    (tmp_path / "Dockerfile").write_text(text.replace(good, bad))
    findings = list(scanners.hadolint(tmp_path / "Dockerfile"))
    assert rule in {it.rule for it in uncovered("hadolint", findings)}


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("B602", "import subprocess\nsubprocess.run(input(), shell=True)"),
        ("B301", "import pickle\npickle.load(open('bundle', 'rb'))"),
        ("B307", "eval(input())  # nosec"),
        ("B104", "HOST = '0.0.0.0'"),
        ("B108", "PLACE = '/tmp/bundle'"),
    ],
)
def test_bad_python_is_flagged(rule: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(code)
    findings = list(scanners.bandit(tmp_path))
    assert rule in {it.rule for it in uncovered("bandit", findings)}


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (".panels[1].descripton", '"description": "What is left', '"descripton": "What is left'),
        (".panels[1].options.colourMode", '"colorMode": "value"', '"colourMode": "value"'),
        (".templating.list[0].lable", '"label": "Data source"', '"lable": "Data source"'),
    ],
)
def test_a_bad_dashboard_is_flagged(path: str, good: str, bad: str, tmp_path: Path) -> None:
    text = (CHART / "dashboards" / "serving.json").read_text()
    assert good in text
    (tmp_path / "bad.json").write_text(text.replace(good, bad, 1))
    findings = uncovered("grafana", list(scanners.grafana(tmp_path)))
    assert [it.place for it in findings] == [f"bad.json:{path}"]


def test_a_private_key_is_flagged_even_if_a_comment_allows_it(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    first, rest = pem.split("\n", 1)
    (tmp_path / "signing.pem").write_text(f"{first}  # pragma: allowlist secret\n{rest}")
    findings = list(scanners.detect_secrets(tmp_path))
    assert "Private Key" in {it.rule for it in uncovered("detect-secrets", findings)}
