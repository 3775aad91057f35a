"""What a value switches on is in the pods, and is what the server reads."""

from typing import Any

import pytest

from predictor.serving import settings
from tests.chart.helm import Render

Container = dict[str, Any]
PLAIN = "kserve.enabled=false"
GUARDED = ("auth.apiKeys.secretName=keys", "tls.secretName=pair", "tls.clientCA.configMapName=ca")
CREDENTIALS = ("clientCredentials.secretName=mine", "clientCredentials.certificateSecretName=cert")


def pod(render: Render, *sets: str) -> dict[str, Any]:
    spec: dict[str, Any] = render(PLAIN, *sets)["Deployment"]["spec"]["template"]["spec"]
    return spec


def environment(spec: dict[str, Any]) -> dict[str, str]:
    """Return what the server is told, which must be settings that it can use."""
    [container] = spec["containers"]
    found = {entry["name"]: entry["value"] for entry in container["env"]}
    settings.read({}, {name: value for name, value in found.items() if name in settings.NAMES})
    return found


def mounted(spec: dict[str, Any]) -> dict[str, Any]:
    """Return each volume by where the container has it, which must be read-only."""
    [container] = spec["containers"]
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    read_only = {m["name"] for m in container.get("volumeMounts", []) if m["readOnly"]}
    assert read_only == volumes.keys() - {"capture"}
    assert not any("subPath" in mount for mount in container.get("volumeMounts", []))
    return {m["mountPath"]: volumes[m["name"]] for m in container.get("volumeMounts", [])}


@pytest.mark.parametrize(
    ("sets", "folder", "volume"),
    [
        (
            ("bundle.source=configMap", "bundle.name=b"),
            "/mnt/bundle",
            {"configMap": {"name": "b", "optional": False}},
        ),
        (
            ("bundle.source=secret", "bundle.name=b", "bundle.fallbackToEmbedded=true"),
            "/mnt/bundle",
            {"secret": {"secretName": "b", "optional": True}},
        ),
        (
            ("bundle.source=persistentVolumeClaim", "bundle.name=b", "bundle.path=x/y"),
            "/mnt/bundle/x/y",
            {"persistentVolumeClaim": {"claimName": "b", "readOnly": True}},
        ),
    ],
)
def test_a_bundle_is_read_from_its_volume(
    render: Render, sets: tuple[str, ...], folder: str, volume: dict[str, Any]
) -> None:
    spec = pod(render, *sets, "bundle.reloadSeconds=2")
    assert mounted(spec)["/mnt/bundle"] == {"name": "bundle", **volume}
    told = environment(spec)
    assert (told["BUNDLE"], told["RELOAD_SECONDS"]) == (folder, "2")
    fallback = str("bundle.fallbackToEmbedded=true" in sets).lower()
    assert told["FALLBACK_TO_EMBEDDED"] == fallback


def test_kserve_fetches_a_bundle_to_where_the_server_looks(render: Render) -> None:
    objects = render("bundle.source=storageUri", "bundle.storageUri=s3://models/energy")
    told = environment(objects["InferenceService"]["spec"]["predictor"])
    assert (told["STORAGE_URI"], told["BUNDLE"]) == ("s3://models/energy", "/mnt/models")
    assert "--no-bundle" in objects["Pod"]["spec"]["containers"][0]["args"]


def test_the_bundle_in_the_image_is_the_images_own_affair(render: Render) -> None:
    assert "BUNDLE" not in environment(pod(render))


def test_a_signature_is_asked_for(render: Render) -> None:
    spec = pod(render, "bundle.publicKey.configMapName=trusted")
    assert environment(spec)["REQUIRE_SIGNATURE"] == "/etc/predictor/public-key/public.pem"
    assert mounted(spec)["/etc/predictor/public-key"]["configMap"]["name"] == "trusted"


def test_keys_tokens_and_rates_are_asked_for(render: Render) -> None:
    jwt = ("issuer=i", "audience=a", "jwksUrl=https://idp.example/keys")
    rate = ("rateLimit.requestsPerSecond=0.5", "rateLimit.burst=3")
    spec = pod(render, GUARDED[0], *(f"auth.jwt.{one}" for one in jwt), *rate)
    told = environment(spec)
    assert told["API_KEYS_FILE"] == "/etc/predictor/api-keys/keys"
    assert mounted(spec)["/etc/predictor/api-keys"]["secret"]["secretName"] == "keys"
    names = ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS", "RATE_LIMIT", "RATE_BURST")
    assert [told[name] for name in names] == ["i", "a", "https://idp.example/keys", "0.5", "3"]


@pytest.mark.parametrize(
    ("claim", "volume"),
    [
        ("", {"emptyDir": {"sizeLimit": "6194304"}}),
        ("kept", {"persistentVolumeClaim": {"claimName": "kept"}}),
    ],
)
def test_requests_are_captured_where_the_server_can_write(
    render: Render, claim: str, volume: dict[str, Any]
) -> None:
    wanted = ("enabled=true", "ratio=0.5", "bytes=2000000", f"claimName={claim}")
    spec = pod(render, *(f"capture.{one}" for one in wanted))
    told = environment(spec)
    names = ("CAPTURE_FOLDER", "CAPTURE_RATIO", "CAPTURE_BYTES")
    assert [told[name] for name in names] == ["/var/lib/predictor/capture", "0.5", "2000000"]
    assert mounted(spec)[told["CAPTURE_FOLDER"]] == {"name": "capture", **volume}
    [container] = spec["containers"]
    assert [mount["readOnly"] for mount in container["volumeMounts"]] == [False]


def test_nothing_is_captured_unless_it_is_asked_for(render: Render) -> None:
    spec = pod(render)
    assert "CAPTURE_FOLDER" not in environment(spec)
    assert not mounted(spec)


def test_the_what_if_page_is_there_if_it_is_asked_for(render: Render) -> None:
    assert environment(pod(render, "ui.enabled=true"))["UI"] == "true"
    assert "UI" not in environment(pod(render))


def test_tls_is_spoken_by_the_server_its_probes_and_its_test(render: Render) -> None:
    objects = render(PLAIN, *GUARDED, *CREDENTIALS)
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    told = environment(spec)
    assert told["TLS_CERT_FILE"] == "/etc/predictor/tls/tls.crt"
    assert told["TLS_KEY_FILE"] == "/etc/predictor/tls/tls.key"
    assert told["TLS_CLIENT_CA_FILE"] == "/etc/predictor/client-ca/ca.crt"
    [container] = spec["containers"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {probe["scheme"] for probe in probes} == {"HTTPS"}
    assert "appProtocol" not in objects["Service"]["spec"]["ports"][1]
    args = objects["Pod"]["spec"]["containers"][0]["args"]
    assert args[-1] == "https://energy-predictor.plant.svc:80"
    folders = set(mounted(objects["Pod"]["spec"]))
    files = dict(arg.removeprefix("--").split("=") for arg in args[1:-1])
    assert files.pop("wait") == "30"
    assert set(files) == {"ca", "credential", "certificate", "key"}
    assert {file.rpartition("/")[0] for file in files.values()} == folders


def test_without_tls_nothing_speaks_it(render: Render) -> None:
    objects = render(PLAIN)
    [container] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert "scheme" not in container["readinessProbe"]["httpGet"]
    assert objects["Pod"]["spec"]["containers"][0]["args"] == [
        "check",
        "--wait=30",
        "http://energy-predictor.plant.svc",
    ]


@pytest.mark.parametrize(
    ("key", "kind", "endpoints"),
    [
        ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
        ("serviceMonitor", "ServiceMonitor", "endpoints"),
    ],
)
def test_prometheus_is_given_what_the_server_asks_for(
    render: Render, key: str, kind: str, endpoints: str
) -> None:
    objects = render(PLAIN, *GUARDED, *CREDENTIALS, f"{key}.enabled=true")
    [endpoint] = objects[kind]["spec"][endpoints]
    assert endpoint["scheme"] == "https"
    assert endpoint["authorization"]["credentials"] == {"name": "mine", "key": "token"}
    assert endpoint["tlsConfig"] == {
        "serverName": "energy-predictor.plant.svc",
        "ca": {"secret": {"name": "pair", "key": "ca.crt"}},
        "cert": {"secret": {"name": "cert", "key": "tls.crt"}},
        "keySecret": {"name": "cert", "key": "tls.key"},
    }


def test_a_network_policy_names_who_may_connect(render: Render) -> None:
    sets = ("networkPolicy.enabled=true", "networkPolicy.fromNamespaces={monitoring,gateway}")
    spec = render(*sets)["NetworkPolicy"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    [ingress], [dns] = spec["ingress"], spec["egress"]
    names = [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for peer in ingress["from"][1:]
    ]
    assert names == ["monitoring", "gateway"]
    assert ingress["from"][0] == {"podSelector": {}}
    assert [port["port"] for port in ingress["ports"]] == ["http", "grpc"]
    assert {port["port"] for port in dns["ports"]} == {53}
    more = render(*sets, "networkPolicy.egress[0].ports[0].port=443")["NetworkPolicy"]["spec"]
    assert more["egress"][1:] == [{"ports": [{"port": 443}]}]


def test_routes_lead_to_the_service(render: Render) -> None:
    ingress = render(PLAIN, "ingress.enabled=true", "ingress.hosts={energy.example}")["Ingress"]
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert rule["host"] == "energy.example"
    assert path["backend"]["service"] == {"name": "energy-predictor", "port": {"name": "http"}}
    sets = ("httpRoute.enabled=true", "httpRoute.parentRefs[0].name=gateway")
    [route] = render(PLAIN, *sets)["HTTPRoute"]["spec"]["rules"]
    assert route["backendRefs"] == [{"name": "energy-predictor", "port": 80}]


def test_keda_scales_by_requests_in_flight(render: Render) -> None:
    sets = ("autoscaling.enabled=false", "keda.enabled=true", "keda.prometheusAddress=http://p")
    objects = render(*sets, "keda.inFlightPerReplica=4")
    spec = objects["ScaledObject"]["spec"]
    assert spec["scaleTargetRef"] == {"name": "energy-predictor"}
    [trigger] = spec["triggers"]
    assert trigger["metadata"]["threshold"] == "4"
    assert "predictor_requests_in_flight{" in trigger["metadata"]["query"]
    assert "HorizontalPodAutoscaler" not in objects


def test_a_budget_may_say_how_many_must_stay(render: Render) -> None:
    name = "podDisruptionBudget"
    sets = (f"{name}.maxUnavailable=", f"{name}.minAvailable=50%")
    for given, key, value in (((), "maxUnavailable", 1), (sets, "minAvailable", "50%")):
        spec = render(*given)["PodDisruptionBudget"]["spec"]
        assert spec[key] == value
        assert len({"minAvailable", "maxUnavailable"} & spec.keys()) == 1


def test_a_service_account_may_be_somebody_elses(render: Render) -> None:
    sets = ("serviceAccount.create=false", "serviceAccount.name=storage")
    objects = render(*sets)
    assert "ServiceAccount" not in objects
    spec = objects["InferenceService"]["spec"]["predictor"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("storage", False)


def test_scrape_annotations_are_on_the_pods(render: Render) -> None:
    sets = ("scrapeAnnotations.enabled=true", "podAnnotations.prometheus\\.io/path=/other")
    annotations = render(*sets)["InferenceService"]["spec"]["predictor"]["annotations"]
    assert annotations["prometheus.io/port"] == "8080"
    assert annotations["prometheus.io/path"] == "/other"
