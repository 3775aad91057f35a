"""Keys, TLS, certificates of clients, and a network policy, all by values."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.cluster import RELEASE, SERVICE, Namespace, Object, wait_for
from tests.e2e.conftest import new_namespace
from tests.e2e.prometheus import prometheus, query
from tests.protocol.security.credentials import Certified, certified

pytestmark = pytest.mark.usefixtures("thorough")
KEY, SCRAPER = "a-key-of-the-billing-system", "a-key-of-prometheus-and-of-the-test"


@dataclass(frozen=True)
class Secured:
    namespace: Namespace
    host: str
    authority: Certified
    own: Certified


@pytest.fixture(scope="module")
def secured(
    image: str, rendering: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with new_namespace() as namespace:
        host = f"{SERVICE}.{namespace.name}.svc"
        authority = certified(folder, "authority")
        served = certified(folder, "host", authority, names=(host,))
        own = certified(folder, "client", authority)
        (folder / "keys").write_text(f"billing {KEY}\nscraper {SCRAPER}\n")
        ca = f"--from-file=ca.crt={authority.cert_file}"
        secret(namespace, "keys", f"--from-file={folder / 'keys'}")
        secret(namespace, "mine", f"--from-literal=token={SCRAPER}")
        secret(namespace, "host", *pair(served), ca)
        secret(namespace, "own", *pair(own))
        namespace.kubectl("create", "configmap", "clients", ca)
        namespace.install(
            image,
            {
                "auth.apiKeys.secretName": "keys",
                "tls.secretName": "host",
                "tls.clientCA.configMapName": "clients",
                "clientCredentials.secretName": "mine",
                "clientCredentials.certificateSecretName": "own",
                "networkPolicy.enabled": "true",
                "networkPolicy.fromNamespaces": "{monitoring}",
                "podMonitor.enabled": "true",
                "workers": "1",
                **rendering,
            },
        )
        yield Secured(namespace, host, authority, own)


def pair(of: Certified) -> tuple[str, str]:
    return f"--from-file=tls.crt={of.cert_file}", f"--from-file=tls.key={of.key_file}"


def secret(namespace: Namespace, name: str, *options: str) -> None:
    namespace.kubectl("create", "secret", "generic", name, *options)


@pytest.fixture
def address(secured: Secured) -> Iterator[str]:
    with secured.namespace.port_forward(80) as address:
        yield f"https://{address}"


def ask(secured: Secured, address: str, *, key: str = "", certified: bool = True) -> int:
    """Return the status that a question gets, by the name that the certificate is for."""
    context = ssl.create_default_context(cafile=secured.authority.cert_file)
    if certified:
        context.load_cert_chain(*secured.own.pair)
    headers = {"Host": secured.host, **({"x-api-key": key} if key else {})}
    with httpx.Client(verify=context) as client:
        found = client.get(
            f"{address}/models", headers=headers, extensions={"sni_hostname": secured.host}
        )
    return found.status_code


def test_who_has_a_key_and_a_certificate_is_let_in(secured: Secured, address: str) -> None:
    assert ask(secured, address, key=KEY) == 200


def test_who_lacks_one_is_not(secured: Secured, address: str) -> None:
    assert ask(secured, address) == 401
    assert ask(secured, address, key="another-key-of-somebody") == 401
    assert ask(secured, address, key=KEY, certified=False) == 401


def test_helm_test_has_what_it_needs(secured: Secured) -> None:
    assert "Phase:          Succeeded" in secured.namespace.helm("test", RELEASE, "--logs")


def test_probes_are_answered_without_any(secured: Secured) -> None:
    def statuses() -> list[Object]:
        return [pod["status"]["containerStatuses"][0] for pod in secured.namespace.pods()]

    wait_for(lambda: all(status["ready"] for status in statuses()), "every pod to be ready")
    assert not any(status["restartCount"] for status in statuses())


def test_prometheus_has_what_it_needs(secured: Secured) -> None:
    proxy = prometheus()
    up = f'up{{namespace="{secured.namespace.name}"}} == 1'
    wait_for(lambda: bool(query(proxy, up, "pod")), "Prometheus to scrape a pod")


def test_a_key_is_taken_back_by_changing_the_secret(secured: Secured, address: str) -> None:
    """The kubelet changes the file after a minute or so, and the pods stay."""
    before = {pod["metadata"]["uid"] for pod in secured.namespace.pods()}
    keys = json.dumps({"stringData": {"keys": f"scraper {SCRAPER}\n"}})
    secured.namespace.kubectl("patch", "secret", "keys", f"--patch={keys}")
    wait_for(lambda: ask(secured, address, key=KEY) == 401, "the key to be taken back")
    assert ask(secured, address, key=SCRAPER) == 200
    assert {pod["metadata"]["uid"] for pod in secured.namespace.pods()} == before


def test_the_notes_say_how_to_ask(secured: Secured) -> None:
    notes = secured.namespace.helm("get", "notes", RELEASE)
    assert "--cacert ca.crt" in notes
    assert "Bearer $KEY" in notes
