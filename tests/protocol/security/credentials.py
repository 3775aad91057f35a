"""Keys, tokens and certificates, genuine and otherwise."""

import base64
import hashlib
import hmac
import ipaddress
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://idp.example", "energy"
JWT = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE}
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return a key, the same for the same name."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    assert name
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: PrivateKey, kid: str) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"}
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid}


def jwks(**keys: PrivateKey) -> bytes:
    return json.dumps({"keys": [jwk(key, kid) for kid, key in keys.items()]}).encode()


def token(key: PrivateKey | None, kid: str, **changed: object) -> str:
    """Return a token that is good, but for the claims that are given; None leaves one out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600}
    claims |= changed
    claims = {name: value for name, value in claims.items() if value is not None}
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return jwt.encode(claims, key or "", "none" if key is None else algorithm, headers={"kid": kid})


def signed_with_the_public_key(key: PrivateKey, kid: str) -> str:
    """Return a token whose HMAC has the public key for its secret."""
    claims = token(key, kid).split(".")[1]
    header = json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()
    signed = base64.urlsafe_b64encode(header).rstrip(b"=") + b"." + claims.encode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(public, signed, hashlib.sha256)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@dataclass(frozen=True)
class Certified:
    """A certificate and its key, as files and as what signs others."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path

    @property
    def pair(self) -> tuple[str, str]:
        return str(self.cert_file), str(self.key_file)


def certified(
    folder: Path,
    name: str,
    signer: Certified | None = None,
    *,
    subject: str | None = None,
    names: tuple[str, ...] = (),
) -> Certified:
    """Make a certificate for this host and others, by its own key or another's.

    A subject may be empty.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    common = name if subject is None else subject
    subject_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    here = [
        x509.UniformResourceIdentifier(f"spiffe://plant/{name}"),
        *(x509.DNSName(one) for one in ("localhost", *names)),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(signer.certificate.subject if signer else subject_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(here), critical=not common)
        .sign(signer.key if signer else key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Certified(made, key, cert_file, key_file)


def flip(folder: Path, **contents: bytes) -> None:
    """Put files into a folder as Kubernetes does: behind a link, which is replaced in one step."""
    version = folder / f"..{time.monotonic_ns()}"
    version.mkdir()
    for name, content in contents.items():
        (version / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    link = folder / "..data_tmp"
    link.symlink_to(version.name)
    link.rename(folder / "..data")
