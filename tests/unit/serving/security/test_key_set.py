import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from predictor.errors import SettingsError
from predictor.serving.security import fetch, key_set
from tests.protocol.security.credentials import ec_key, jwk, jwks, rsa_key
from tests.protocol.security.provider import Provider, provider

RSA, EC = jwk(rsa_key("rsa"), "rsa"), jwk(ec_key("ec"), "ec")


def content(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_each_key_is_for_the_one_algorithm_of_its_kind() -> None:
    keys = key_set.parse(content(RSA, EC, {**EC, "kid": "other", "alg": "ES256"}))
    algorithms = {kid: key.algorithm for kid, key in keys.items()}
    assert algorithms == {"rsa": "RS256", "ec": "ES256", "other": "ES256"}


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"},
        {**RSA, "kid": "other", "use": "enc"},
        {**RSA, "kid": "other", "alg": "HS256"},
        {**RSA, "kid": "other", "alg": "RS512"},
        {**EC, "kid": "other", "crv": "P-384"},
        {"kty": "OKP", "kid": "other", "crv": "Ed25519", "x": EC["x"]},
    ],
)
def test_keys_for_anything_else_are_left_out(other: dict[str, str]) -> None:
    assert set(key_set.parse(content(RSA, other))) == {"rsa"}
    with pytest.raises(ValueError, match="no key for RS256 or ES256"):
        key_set.parse(content(other))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 7}',
        b"\xff",
        b"[" * 100_000,
        content({**RSA, "n": "!"}),
        content({"kty": "RSA"}),
        content({**EC, "x": EC["y"][:-4]}),
        content({**RSA, "n": "AQAB"}),
        content({**RSA, "kid": 7}),
    ],
)
def test_what_is_no_key_set_is_a_value_error(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|key"):
        key_set.parse(wrong)


def test_the_same_keys_are_equal_and_others_are_not() -> None:
    assert key_set.parse(content(RSA, EC)) == key_set.parse(content(EC, RSA))
    assert key_set.parse(content(RSA)) != key_set.parse(content(jwk(rsa_key("x"), "rsa")))


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as found:
        found.body = jwks(rsa=rsa_key("rsa"))
        yield found


def test_keys_are_read_from_a_url_and_from_a_file(idp: Provider, tmp_path: Path) -> None:
    file = tmp_path / "jwks"
    file.write_bytes(idp.body)
    assert key_set.read(idp.url) == key_set.read(str(file))


def test_a_redirect_is_not_followed(idp: Provider) -> None:
    for status in (301, 302, 303, 307, 308):
        idp.asked, idp.status = 0, status
        idp.headers = {"Location": f"{idp.url}/elsewhere"}
        with pytest.raises(SettingsError, match=f"status {status}"):
            key_set.read(idp.url)
        assert idp.asked == 1


def test_another_hosts_words_are_escaped(idp: Provider) -> None:
    idp.status, idp.reason = 500, "\x1b[31mforged"
    with pytest.raises(SettingsError) as error:
        key_set.read(idp.url)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("trouble", ["status", "too large", "away"])
def test_a_url_in_trouble_is_a_settings_error(idp: Provider, trouble: str) -> None:
    if trouble == "status":
        idp.status = 503
    elif trouble == "too large":
        idp.body += b" " * fetch.MOST_BYTES
    else:
        idp.go()
    with pytest.raises(SettingsError, match="JWT_JWKS cannot be read"):
        key_set.read(idp.url)


def test_a_body_that_trickles_in_is_given_up(
    idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    idp.seconds_between_bytes = 0.1
    with pytest.raises(SettingsError, match="TimeoutError"):
        key_set.read(idp.url)
