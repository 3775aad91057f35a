"""JSON Web Tokens, by every way; their keys from a file and from a provider that goes away."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from predictor.serving.security.renewal import LEAST_SECONDS
from tests.protocol.process import Server, running
from tests.protocol.security.asking import Client, gets, until
from tests.protocol.security.credentials import (
    JWT,
    ec_key,
    flip,
    jwks,
    rsa_key,
    signed_with_the_public_key,
    token,
)
from tests.protocol.security.provider import Provider, provider

RSA, EC, NEW, FOREIGN = rsa_key("rsa"), ec_key("ec"), ec_key("new"), rsa_key("foreign")
KEY = "alice-0123456789"


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jwks")
    (folder / "jwks").write_bytes(jwks(rsa=RSA, ec=EC))
    (folder / "keys").write_text(f"alice {KEY}\n")
    settings = {"JWT_JWKS": str(folder / "jwks"), "API_KEYS_FILE": str(folder / "keys")}
    with running(bundle_folder, **settings, **JWT) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client


def now(seconds: float) -> int:
    return int(time.time() + seconds)


Make = Callable[[], str]


@pytest.mark.parametrize(
    "made",
    [
        lambda: token(RSA, "rsa"),
        lambda: token(EC, "ec"),
        lambda: token(EC, "ec", aud=["other", "energy"]),
        lambda: token(EC, "ec", exp=now(-30)),
        lambda: token(EC, "ec", nbf=now(30), iat=now(30)),
        lambda: token(EC, "ec", iat=None),
        lambda: KEY,
    ],
    ids=["RS256", "ES256", "audiences", "just expired", "not quite yet", "no iat", "API key"],
)
def test_a_genuine_token_lets_in_each_time_and_so_does_a_key(client: Client, made: Make) -> None:
    good = made()
    assert [client.with_key(good) for _ in range(3)] == [200] * 3


REFUSED: dict[str, tuple[Make, str]] = {
    "wrong signature": (lambda: token(FOREIGN, "rsa"), "not valid"),
    "changed": (lambda: token(EC, "ec")[:-8] + "AAAAAAAA", "not valid"),
    "expired": (lambda: token(RSA, "rsa", exp=now(-3600)), "expired"),
    "no expiry": (lambda: token(RSA, "rsa", exp=None), "not for this server"),
    "not yet": (lambda: token(RSA, "rsa", nbf=now(3600)), "not for this server"),
    "issued later": (lambda: token(RSA, "rsa", iat=now(3600)), "not for this server"),
    "wrong issuer": (lambda: token(RSA, "rsa", iss="https://evil"), "not for this server"),
    "no issuer": (lambda: token(RSA, "rsa", iss=None), "not for this server"),
    "wrong audience": (lambda: token(RSA, "rsa", aud="other"), "not for this server"),
    "no audience": (lambda: token(RSA, "rsa", aud=None), "not for this server"),
    "no subject": (lambda: token(RSA, "rsa", sub=None), "not for this server"),
    "alg none": (lambda: token(None, "rsa"), "not valid"),
    "HS256 with the public key": (lambda: signed_with_the_public_key(RSA, "rsa"), "not valid"),
    "another key's id": (lambda: token(RSA, "ec"), "not valid"),
    "unknown key": (lambda: token(NEW, "new"), "not valid"),
    "over 6 KiB": (lambda: token(EC, "ec", more="x" * 4800), "not valid"),
    "no token": (lambda: "a.b.c", "not valid"),
    "no key": (lambda: KEY + "x", "not valid"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_any_other_is_refused_by_every_way(client: Client, why: str) -> None:
    made, said = REFUSED[why]
    wrong = made()
    assert client.with_key(wrong) == 401
    headers = {"Authorization": f"Bearer {wrong}"}
    assert said in client.short(headers).json()["error"]
    assert said in client.by_grpc(headers)[1]


@pytest.mark.parametrize("subject", ["a\nERROR forged", "\x1b[2J", "a\u009bm", " a", "x" * 300, ""])
def test_a_subject_that_could_forge_a_log_line_is_nobody(client: Client, subject: str) -> None:
    assert client.with_key(token(EC, "ec", sub=subject)) == 403


def test_a_remembered_token_expires(client: Client) -> None:
    short = token(EC, "ec", exp=now(3 - 60))
    assert client.with_key(short) == 200
    until(lambda: client.with_key(short) == 401)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_set_is_rotated_by_its_file(
    bundle_folder: Path, tmp_path: Path, workers: str
) -> None:
    old, new = token(EC, "ec"), token(NEW, "new")
    flip(tmp_path, jwks=jwks(ec=EC))
    settings = {"JWT_JWKS": str(tmp_path / "jwks"), "WORKERS": workers}
    with running(bundle_folder, **settings, **JWT) as server:
        assert gets(server, old, 200)
        assert gets(server, new, 401)
        flip(tmp_path, jwks=jwks(ec=EC, new=NEW))
        until(lambda: gets(server, new, 200))
        assert gets(server, old, 200)
        flip(tmp_path, jwks=jwks(new=NEW))
        until(lambda: gets(server, old, 401))  # also where it is remembered
        assert gets(server, new, 200)
        flip(tmp_path, jwks=b'{"keys": []}')
        until(lambda: "it has no key for RS256 or ES256" in server.log.read_text())
        assert gets(server, new, 200)


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as found:
        found.body = jwks(rsa=RSA)
        yield found


def test_an_unknown_key_is_looked_for_at_the_provider_but_not_often(
    bundle_folder: Path, idp: Provider
) -> None:
    with running(bundle_folder, JWT_JWKS=idp.url, **JWT) as server, Client(server) as client:
        assert client.with_key(token(RSA, "rsa")) == 200
        assert idp.asked == 1
        time_first_asked = time.monotonic()
        idp.body = jwks(rsa=RSA, new=NEW)
        until(lambda: client.with_key(token(NEW, "new")) == 200)  # without waiting for its turn
        asked, start = idp.asked, time.monotonic()
        for number in range(100):
            made_up = token(EC, f"made-up-{number}")
            assert client.short({"Authorization": f"Bearer {made_up}"}).status_code == 401
        end = time.monotonic()
        assert idp.asked - asked <= (end - start) / LEAST_SECONDS + 1
        assert idp.asked <= (end - time_first_asked) / LEAST_SECONDS + 2


def test_a_key_that_the_provider_takes_back_is_no_longer_taken(
    bundle_folder: Path, idp: Provider
) -> None:
    with running(bundle_folder, JWT_JWKS=idp.url, **JWT) as server, Client(server) as client:
        old = token(RSA, "rsa")
        assert client.with_key(old) == 200
        idp.body = jwks(new=NEW)
        until(lambda: client.with_key(token(NEW, "new")) == 200)
        assert client.with_key(old) == 401


@pytest.mark.parametrize("trouble", ["away", "cut off"])
def test_a_provider_in_trouble_is_waited_for_with_the_last_keys(
    bundle_folder: Path, idp: Provider, trouble: str
) -> None:
    with running(bundle_folder, JWT_JWKS=idp.url, **JWT) as server, Client(server) as client:
        assert client.with_key(token(RSA, "rsa")) == 200
        good = idp.body = jwks(rsa=RSA, new=NEW)
        if trouble == "away":
            idp.go()
        else:
            idp.body = good[:-5]

        def is_missed() -> bool:
            is_refused = client.with_key(token(NEW, "new")) == 401
            return is_refused and "JWT_JWKS cannot be read" in server.log.read_text()

        until(is_missed)
        assert client.with_key(token(RSA, "rsa")) == 200
        assert client.with_key(token(RSA, "rsa", sub="somebody else")) == 200
        idp.body = good
        if trouble == "away":
            idp.come(idp.port)
        until(lambda: client.with_key(token(NEW, "new")) == 200)
        assert server.log.read_text().count("ERROR") == 1  # said once, and not at each try


def test_a_server_starts_without_its_provider_and_says_when_to_come_back(
    bundle_folder: Path, idp: Provider, tmp_path: Path
) -> None:
    idp.go()
    (tmp_path / "keys").write_text(f"alice {KEY}\n")
    settings = {"JWT_JWKS": idp.url, "API_KEYS_FILE": str(tmp_path / "keys"), **JWT}
    with running(bundle_folder, **settings) as server, Client(server) as client:
        good = token(RSA, "rsa")
        assert client.with_key(good) == 503
        answer = client.short({"Authorization": f"Bearer {good}"})
        assert int(answer.headers["retry-after"]) > 0
        assert client.with_key("a.b.c") == 401
        assert client.with_key(KEY) == 200
        assert "JWT_JWKS cannot be read" in server.log.read_text()
        idp.come(idp.port)
        until(lambda: client.with_key(good) == 200)
