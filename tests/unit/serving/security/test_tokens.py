import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.serving.security import key_set, tokens
from predictor.serving.security.tokens import Audience, Tokens
from predictor.serving.security.verdict import INVALID, NO_KEYS, UNKNOWN_KEY, Refusal, Verdict
from tests.protocol.security.credentials import AUDIENCE, ISSUER, ec_key, jwks, rsa_key, token

EC, RSA = ec_key("ec"), rsa_key("rsa")


def judging(content: bytes | None = None) -> Tokens:
    found = Tokens(Audience(ISSUER, AUDIENCE))
    if content:
        found.use(key_set.parse(content))
    return found


def judge(by: Tokens, sent: str | bytes) -> Verdict:
    content = sent if isinstance(sent, bytes) else sent.encode()
    return by.judge(content, sha256(content).digest())


def made_up(header: object, payload: object = None) -> bytes:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), b"signature")
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["RS256", "ES256", "none", "HS256", "None", ""]) | JSON,
        "kid": st.sampled_from(["ec", "rsa", ""]) | JSON,
        "crit": JSON,
        "b64": JSON,
        "jwk": JSON,
    },
)


@given(HEADERS | JSON, JSON)
def test_nothing_made_up_is_taken_or_an_error(header: object, payload: object) -> None:
    for by in (judging(jwks(ec=EC, rsa=RSA)), judging()):
        assert isinstance(judge(by, made_up(header, payload)), Refusal)


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(content: bytes) -> None:
    assert judge(judging(jwks(ec=EC)), content) is INVALID


def test_numbers_that_are_no_times_are_invalid() -> None:
    for claims in ({"exp": "soon"}, {"exp": float("inf")}, {"nbf": "x"}):
        assert judge(judging(jwks(ec=EC)), token(EC, "ec", **claims)) is INVALID


def test_a_set_of_one_key_may_do_without_its_id() -> None:
    alone = json.loads(jwks(ec=EC))
    del alone["keys"][0]["kid"]
    by = judging(json.dumps(alone).encode())
    assert judge(by, made_up({"alg": "ES256"})) is INVALID  # and not that of an unknown key
    assert judge(by, token(EC, "ec")) is UNKNOWN_KEY


def test_without_keys_a_token_is_not_judged() -> None:
    assert judge(judging(), token(EC, "ec")) is NO_KEYS


def test_a_key_that_is_gone_takes_with_it_what_was_remembered() -> None:
    by, sent = judging(jwks(ec=EC, rsa=RSA)), token(EC, "ec")
    assert judge(by, sent) == "alice"
    by.use(key_set.parse(jwks(rsa=RSA)))
    assert judge(by, sent) is UNKNOWN_KEY
    by.use(key_set.parse(jwks(ec=ec_key("another"))))
    assert judge(by, sent) is INVALID


def test_no_more_tokens_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 5)
    by = judging(jwks(ec=EC))
    for number in range(20):
        assert judge(by, token(EC, "ec", sub=f"client {number}")) == f"client {number}"
    assert len(by._genuine) == 5
