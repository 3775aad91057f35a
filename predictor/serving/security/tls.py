"""TLS for REST and gRPC from files, which may be replaced at any time."""

import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from predictor.errors import SettingsError
from predictor.serving.security.verdict import is_principal

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class TlsFiles:
    """A certificate with its chain, its key, and who signs clients' certificates, if anybody."""

    certificate: str
    key: str
    client_authority: str

    @property
    def paths(self) -> list[str]:
        """The files that there are."""
        return [path for path in (self.certificate, self.key, self.client_authority) if path]


@dataclass(frozen=True)
class Material:
    """What the files held, all at one time, and the context made of it."""

    contents: tuple[bytes, ...]
    context: ssl.SSLContext = field(compare=False)

    def for_grpc(self) -> grpc.ServerCertificateConfiguration:
        """Return the same as gRPC takes it."""
        certificate, key, *authority = self.contents
        return grpc.ssl_server_certificate_configuration([(key, certificate)], *authority)


def read(files: TlsFiles) -> Material:
    """Return what the files hold; raises SettingsError when it does not fit together."""
    names = "TLS_CERT_FILE, TLS_KEY_FILE" + (", TLS_CLIENT_CA_FILE" * bool(files.client_authority))
    try:
        contents = _contents(files)
        context = _context(files)
        is_same = contents == _contents(files)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no PEM"
        message = f"{names} cannot be used together: {reason}"
        raise SettingsError(message) from None
    if not is_same:
        message = f"{names} changed while they were read"
        raise SettingsError(message)
    return Material(contents, context)


def _contents(files: TlsFiles) -> tuple[bytes, ...]:
    return tuple(Path(path).read_bytes() for path in files.paths)


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without an answer here, OpenSSL would ask for an encrypted key's password on the terminal.
    context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    if files.client_authority:
        # Probes come without: the gate asks for the certificate where one is needed.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(files.client_authority)
        # A resumed session is not verified again, and would outlive its authority. Only of TLS 1.3
        # can resuming be switched off.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
    return context


class Tls:
    """What is used for handshakes from now on: one that has begun keeps what it began with."""

    def __init__(self, material: Material) -> None:
        """Begin with what the files hold at the start."""
        self._current = self._given = material
        # The context that is listened with never changes but hands each handshake to the current.
        self.context = material.context
        self.context.sni_callback = self._switch

    def use(self, material: Material) -> None:
        """Use other material from the next handshake on."""
        self._current = material

    def _switch(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext
    ) -> None:
        if connection.context is not self._current.context:
            connection.context = self._current.context

    def for_grpc(self) -> grpc.ServerCredentials:
        """Return credentials that ask for the current material at each handshake.

        gRPC knows no optional certificate: with an authority, every client needs one.
        """
        start = self._given = self._current
        needs_certificate = start.context.verify_mode != ssl.CERT_NONE
        return grpc.dynamic_ssl_server_credentials(
            start.for_grpc(),
            self._changed,  # type: ignore[arg-type] # None is no change
            require_client_authentication=needs_certificate,
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new since gRPC asked last; its threads call this."""
        current = self._current
        if current is self._given:
            return None
        self._given = current
        return current.for_grpc()


@lru_cache(maxsize=1024)
def principal_of(certificate: bytes) -> str:
    """Return whom a verified certificate, DER or PEM, names.

    That is its common name, else its first URI or DNS name; empty when it can be no principal.
    """
    from cryptography import x509  # nine megabytes, for those who ask for certificates

    is_pem = certificate.startswith(b"-----BEGIN")
    load = x509.load_pem_x509_certificate if is_pem else x509.load_der_x509_certificate
    no_names = (x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
    try:
        name = next(iter(_names(load(certificate))), "")
    except (ValueError, *no_names):
        return ""
    return name if is_principal(name) else ""


def _names(certificate: "Certificate") -> list[str]:
    from cryptography import x509

    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names = [str(name.value) for name in common]
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return names
    for kind in (x509.UniformResourceIdentifier, x509.DNSName):
        names += other.get_values_for_type(kind)
    return names
