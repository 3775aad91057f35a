"""What is logged at the most talkative level holds no secret, and nothing that a client made up."""

import re
from pathlib import Path

import httpx

from tests.protocol.process import events, running
from tests.protocol.raw import Connection
from tests.protocol.security.asking import Client, until
from tests.protocol.security.credentials import JWT, certified, ec_key, jwks, rsa_key, token
from tests.protocol.security.provider import provider

KEY, NEW = "alice-0123456789", "alice-9876543210"
EC, RSA = ec_key("ec"), rsa_key("rsa")
FORGED = "2026-01-01 00:00:00,000 ERROR forged"


def test_the_log_of_a_whole_run_tells_no_secret_and_no_lie(
    bundle_folder: Path, tmp_path: Path
) -> None:
    authority = certified(tmp_path, "authority")
    host = certified(tmp_path, "host", authority)
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    tokens = [
        token(EC, "ec"),
        token(EC, "ec", exp=1),
        token(RSA, "ec"),
        token(RSA, f"kid\n{FORGED}"),
        token(EC, "ec", sub=f"a\n{FORGED}"),
    ]
    with provider() as idp:
        idp.body = jwks(ec=EC)
        settings = {
            "API_KEYS_FILE": str(keys),
            "JWT_JWKS": idp.url,
            **JWT,
            "TLS_CERT_FILE": str(host.cert_file),
            "TLS_KEY_FILE": str(host.key_file),
            "LOG_LEVEL": "DEBUG",
            "ACCESS_LOG": "true",
            "RATE_LIMIT": "1",
            "RATE_BURST": "90",
        }
        with running(bundle_folder, **settings) as server, Client(server, authority) as client:
            for sent in (KEY, NEW, *tokens):
                client.with_key(sent)
            make_up(client.rest)
            idp.status, idp.body = 500, FORGED.encode()
            client.with_key(token(RSA, "unknown"))
            keys.write_text(f"alice {NEW}\nalice {KEY} {KEY}\n")
            until(lambda: "API_KEYS_FILE, line 2" in server.log.read_text())
            keys.write_text(f"alice {NEW}\n")
            until(lambda: "API_KEYS_FILE was read anew" in server.log.read_text())
            log = server.log.read_text()
    assert len(events(log)) > 20
    assert "forged" not in log
    assert not re.search(r"[^\x20-\x7e\n]", log)
    parts = [part for sent in tokens for part in sent.split(".")[1:] if part]
    pem = host.key_file.read_text().splitlines()[1]
    for secret in (KEY, NEW, *parts, pem, "PRIVATE"):
        assert secret not in log


def make_up(client: httpx.Client) -> None:
    """Send what would be a line of its own, wherever a client can."""
    forged = "%0a" + FORGED.replace(" ", "%20") + "%1b[31m"
    for headers in ({}, {"X-Api-Key": KEY}):
        for path in (f"/{forged}", f"/v2/models/{forged}", f"/predict?{forged}"):
            client.get(path, headers=headers)
            client.post(path, headers=headers, json={"forged": f"\n{FORGED}"})
        client.get("/", headers={**headers, "User-Agent": FORGED, "X-Request-Id": "\x1b[31mforged"})


def test_a_header_cannot_hold_a_line(bundle_folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    with running(bundle_folder, API_KEYS_FILE=str(keys), LOG_LEVEL="DEBUG") as server:
        for value in (b"a\rERROR forged", b"\x1b[31mforged", b"a\x00forged", b"a\n forged"):
            with Connection(server.url) as connection:
                connection.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: %b\r\n\r\n" % value)
                assert connection.answer().status in {400, 401}
        assert "forged" not in server.log.read_text()
