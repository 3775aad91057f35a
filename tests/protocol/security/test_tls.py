"""TLS over both protocols, with certificates that are replaced, and those of clients."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from predictor import cli
from tests.protocol.process import Server, running
from tests.protocol.security.asking import SECONDS, Client, until
from tests.protocol.security.credentials import Certified, certified, flip

KEY = "alice-0123456789"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("authority"), "authority")


def put(folder: Path, host: Certified) -> dict[str, str]:
    """Mount a certificate, and return the settings that name it."""
    flip(folder, crt=host.cert_file.read_bytes(), key=host.key_file.read_bytes())
    return {"TLS_CERT_FILE": str(folder / "crt"), "TLS_KEY_FILE": str(folder / "key")}


def serial(server: Server, authority: Certified, *, grpc: bool = False) -> int:
    """Return the serial number of the certificate that is shown to a new connection."""
    context = ssl.create_default_context(cafile=authority.cert_file)
    if grpc:
        context.set_alpn_protocols(["h2"])
    address = server.grpc if grpc else server.url.removeprefix("https://")
    host, port = address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        found = connection.getpeercert()
    assert found
    return int(str(found["serialNumber"]), 16)


@pytest.fixture(scope="module")
def server(
    bundle_folder: Path, authority: Certified, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    host = certified(tmp_path_factory.mktemp("host"), "host", authority)
    settings = put(tmp_path_factory.mktemp("tls"), host)
    with running(bundle_folder, **settings) as server:
        yield server


def test_all_ways_answer_over_tls(server: Server, authority: Certified) -> None:
    assert server.url.startswith("https://")
    with Client(server, authority) as client:
        assert client.statuses({}) == {200}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("grpc", [False, True])
def test_nothing_older_than_tls_1_2_is_spoken(
    server: Server, authority: Certified, *, grpc: bool
) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert speaks(server, authority, version, grpc=grpc)
    assert not speaks(server, authority, ssl.TLSVersion.TLSv1_1, grpc=grpc)


def speaks(server: Server, authority: Certified, version: ssl.TLSVersion, *, grpc: bool) -> bool:
    context = ssl.create_default_context(cafile=authority.cert_file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    host, port = (server.grpc if grpc else server.url.removeprefix("https://")).rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=SECONDS) as plain:
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except (ssl.SSLError, ConnectionResetError):
            return False
    return True


def test_who_speaks_no_tls_gets_nothing(server: Server) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url.replace("https", "http") + "/health", timeout=SECONDS)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_certificate_is_replaced_while_requests_run_and_none_is_lost(
    bundle_folder: Path, authority: Certified, tmp_path: Path, workers: str
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    hosts = [certified(tmp_path, f"host{number}", authority) for number in range(4)]
    with running(bundle_folder, **put(mounted, hosts[0]), WORKERS=workers) as server:
        with asked_all_the_time(server, authority) as statuses:
            for host in hosts:
                put(mounted, host)
                expected = {host.certificate.serial_number}
                for grpc in (False, True):
                    until(
                        lambda grpc=grpc, expected=expected: (  # type: ignore[misc]
                            {serial(server, authority, grpc=grpc) for _ in range(8)} == expected
                        )
                    )
        assert len(statuses) > 20
        assert set(statuses) == {200}


class asked_all_the_time:  # noqa: N801 - it is used as a function
    """Asks over a kept connection and over new ones, until its block ends."""

    def __init__(self, server: Server, authority: Certified) -> None:
        self.statuses: list[int] = []
        self._done = Event()
        self._threads = [
            Thread(target=self._ask, args=(server, authority, kept)) for kept in (True, False)
        ]

    def __enter__(self) -> list[int]:
        for thread in self._threads:
            thread.start()
        return self.statuses

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, server: Server, authority: Certified, kept: bool) -> None:  # noqa: FBT001
        while not self._done.is_set():
            with Client(server, authority) as client:
                try:
                    self.statuses += client.statuses({})
                    while kept and not self._done.is_set():
                        self.statuses += client.statuses({})
                except Exception:
                    self.statuses.append(0)
                    raise


def test_a_pair_that_does_not_match_keeps_the_last_one_loudly(
    bundle_folder: Path, authority: Certified, tmp_path: Path
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    one, other = (certified(tmp_path, name, authority) for name in ("one", "other"))
    with running(bundle_folder, **put(mounted, one)) as server:
        for key, said in ((other.key_file.read_bytes(), "KEY_VALUES_MISMATCH"), (b"x", "PEM")):
            flip(mounted, crt=one.cert_file.read_bytes(), key=key)
            until(lambda said=said: said in server.log.read_text())  # type: ignore[misc]
            for grpc in (False, True):
                assert serial(server, authority, grpc=grpc) == one.certificate.serial_number
        put(mounted, other)
        until(lambda: serial(server, authority) == other.certificate.serial_number)


@pytest.fixture(scope="module")
def mutual(
    bundle_folder: Path, authority: Certified, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mutual")
    host = certified(folder, "host", authority)
    settings = put(tmp_path_factory.mktemp("tls"), host)
    settings |= {"TLS_CLIENT_CA_FILE": str(authority.cert_file), "RATE_LIMIT": "0.001"}
    with running(bundle_folder, **settings, RATE_BURST="3") as server:
        yield server


def test_a_clients_certificate_is_needed_but_by_probes(
    mutual: Server, authority: Certified
) -> None:
    with Client(mutual, authority) as client:
        for path in ("/health", "/health/ready", "/v2/health/live", "/v2/health/ready"):
            assert client.rest.get(path).status_code == 200
        assert client.short({}).status_code == client.long({}).status_code == 401
        assert client.by_grpc({})[0] == 503  # it ends at the handshake


def test_no_session_outlives_the_authority_of_its_certificate(
    mutual: Server, authority: Certified, tmp_path: Path
) -> None:
    assert not speaks(mutual, authority, ssl.TLSVersion.TLSv1_2, grpc=False)
    context = ssl.create_default_context(cafile=authority.cert_file)
    context.load_cert_chain(*certified(tmp_path, "client", authority).pair)
    host, port = mutual.url.removeprefix("https://").rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(8) == b"HTTP/1.1"
        assert connection.session is not None
        assert not connection.session.has_ticket  # with which it could be resumed


def test_check_shows_what_a_server_asks_for(
    bundle_folder: Path, tmp_path: Path, authority: Certified, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `helm test` does, with a key, an authority and a certificate of its own."""
    host = certified(tmp_path, "host", authority)
    own = certified(tmp_path, "checker", authority)
    (tmp_path / "mounted").mkdir()
    wanted = put(tmp_path / "mounted", host) | {"TLS_CLIENT_CA_FILE": str(authority.cert_file)}
    (tmp_path / "keys").write_text("checker a-key-of-the-checker\n")
    (tmp_path / "credential").write_text("a-key-of-the-checker\n")
    files = {
        "--ca": authority.cert_file,
        "--credential": tmp_path / "credential",
        "--certificate": own.cert_file,
        "--key": own.key_file,
    }
    with running(bundle_folder, API_KEYS_FILE=str(tmp_path / "keys"), **wanted) as server:
        command = ["check", server.url, "--bundle", str(bundle_folder)]
        options = [f"{name}={file}" for name, file in files.items()]
        assert cli.main([*command, *options]) == 0
        assert cli.main([*command, options[0], *options[2:]]) == 1
        assert "401" in capsys.readouterr().err
        assert cli.main([*command, *options[1:]]) == 1
        assert "certificate verify failed" in capsys.readouterr().err
        assert cli.main([*command, f"--ca={tmp_path / 'keys'}"]) == 1
        assert "--ca, --certificate or --key is no PEM file" in capsys.readouterr().err


@pytest.mark.parametrize("subject", ["alice", "", "carol\nERROR"])
def test_its_name_is_the_principal(
    mutual: Server, authority: Certified, tmp_path: Path, subject: str
) -> None:
    name = f"client{len(subject)}"
    certificate = certified(tmp_path, name, authority, subject=subject)
    with Client(mutual, authority, certificate) as client:
        if "\n" in subject:
            assert client.statuses({}) == {403}
            return
        assert client.statuses({}) == {200}
        assert client.statuses({}) == {429}  # it has its own bucket, by all ways


def test_a_foreign_authority_vouches_for_nobody(
    mutual: Server, authority: Certified, tmp_path: Path
) -> None:
    foreign = certified(tmp_path, "foreign")
    with Client(mutual, authority, certified(tmp_path, "mallory", foreign)) as client:
        with pytest.raises(httpx.TransportError):
            client.short({})
        assert client.by_grpc({})[0] == 503


def test_an_authority_is_replaced_too(
    bundle_folder: Path, authority: Certified, tmp_path: Path
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    host, new = certified(tmp_path, "host", authority), certified(tmp_path, "new")
    old_client = certified(tmp_path, "old-client", authority)
    new_client = certified(tmp_path, "new-client", new)
    settings = put(mounted, host) | {"TLS_CLIENT_CA_FILE": str(tmp_path / "authorities" / "ca")}
    (tmp_path / "authorities").mkdir()

    def trust(trusted: Certified) -> None:
        flip(tmp_path / "authorities", ca=trusted.cert_file.read_bytes())

    def passed(server: Server, certificate: Certified) -> set[bool]:
        with Client(server, authority, certificate) as client:
            try:
                by_rest = client.short({}).status_code == 200
            except httpx.TransportError:
                by_rest = False
            return {by_rest, client.by_grpc({})[0] == 200}

    trust(authority)
    with running(bundle_folder, **settings) as server:
        assert passed(server, old_client) == {True}
        assert passed(server, new_client) == {False}
        trust(new)
        until(lambda: passed(server, new_client) == {True})
        assert passed(server, old_client) == {False}


def test_a_certificate_and_a_key_are_both_needed_when_both_are_asked_for(
    bundle_folder: Path, authority: Certified, tmp_path: Path
) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (tmp_path / "keys").write_text(f"alice {KEY}\n")
    settings = put(mounted, certified(tmp_path, "host", authority))
    settings |= {"TLS_CLIENT_CA_FILE": str(authority.cert_file)}
    client_certificate = certified(tmp_path, "client", authority)
    with running(bundle_folder, **settings, API_KEYS_FILE=str(tmp_path / "keys")) as server:
        with Client(server, authority, client_certificate) as client:
            assert client.with_key(KEY) == 200
            assert client.statuses({}) == {401}
        with Client(server, authority) as client:
            key = {"X-Api-Key": KEY}
            assert (client.short(key).status_code, client.long(key).status_code) == (401, 401)
