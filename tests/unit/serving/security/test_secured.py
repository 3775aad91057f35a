import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from predictor.errors import SettingsError
from predictor.serving.security.secured import secured
from predictor.serving.settings import Settings
from tests.protocol.security.credentials import JWT, certified, ec_key, jwks


def test_by_default_nothing_is_asked_for() -> None:
    security = secured(Settings())
    assert (security.gate, security.tls, security.renewals) == (None, None, [])


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"tls_cert_file": "x"}, "TLS_CERT_FILE needs TLS_KEY_FILE"),
        ({"tls_key_file": "x"}, "TLS_KEY_FILE needs TLS_CERT_FILE"),
        ({"tls_client_ca_file": "x"}, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE"),
        ({"jwt_jwks": "x", "jwt_audience": "x"}, "JWT_JWKS needs JWT_ISSUER"),
        ({"jwt_jwks": "x", "jwt_issuer": "x"}, "JWT_JWKS needs JWT_AUDIENCE"),
        ({"jwt_issuer": "x"}, "JWT_ISSUER needs JWT_JWKS"),
        ({"jwt_audience": "x"}, "JWT_AUDIENCE needs JWT_JWKS"),
        ({"rate_burst": 1}, "RATE_BURST needs RATE_LIMIT"),
    ],
)
def test_what_would_leave_open_what_it_is_to_close_is_refused(
    given: dict[str, Any], needed: str
) -> None:
    with pytest.raises(SettingsError, match=needed):
        secured(Settings(**given))


def test_a_bad_file_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    host = certified(tmp_path, "host")
    other = certified(tmp_path, "other")
    good: dict[str, Any] = {
        "tls_cert_file": str(host.cert_file),
        "tls_key_file": str(host.key_file),
    }
    missing = str(tmp_path / "missing")
    (tmp_path / "bad").write_bytes(b"x")
    bad = str(tmp_path / "bad")
    for wrong, said in (
        ({**good, "tls_key_file": str(other.key_file)}, "KEY_VALUES_MISMATCH"),
        ({**good, "tls_cert_file": bad}, "cannot be used together"),
        ({**good, "tls_cert_file": missing}, "No such file"),
        ({**good, "tls_client_ca_file": bad}, "TLS_CLIENT_CA_FILE cannot be used"),
        ({"api_keys_file": missing}, "API_KEYS_FILE cannot be read"),
        ({"api_keys_file": bad}, "API_KEYS_FILE, line 1"),
        ({**jwt(bad)}, "JWT_JWKS cannot be read"),
        ({**jwt(missing)}, "JWT_JWKS cannot be read"),
    ):
        with pytest.raises(SettingsError, match=said):
            secured(Settings(**wrong))


def jwt(source: str) -> dict[str, Any]:
    return {"jwt_jwks": source, **{name.lower(): value for name, value in JWT.items()}}


def test_credentials_and_rates_make_a_gate_and_tls_alone_none(tmp_path: Path) -> None:
    host = certified(tmp_path, "host")
    (tmp_path / "jwks").write_bytes(jwks(ec=ec_key("ec")))
    pair: dict[str, Any] = {
        "tls_cert_file": str(host.cert_file),
        "tls_key_file": str(host.key_file),
    }
    assert secured(Settings(**pair)).gate is None
    for settings in (
        {**pair, "tls_client_ca_file": str(host.cert_file)},
        jwt(str(tmp_path / "jwks")),
        {"rate_limit": 0.5},
    ):
        assert secured(Settings(**settings)).gate


def test_what_is_not_asked_for_is_not_loaded() -> None:
    code = "import predictor.serving.processes.worker, sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "predictor.serving.security.gate" in loaded
    assert {"jwt", "cryptography"}.isdisjoint(loaded)
