"""The one reader of the environment."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from predictor.errors import SettingsError


class Settings(msgspec.Struct, frozen=True, rename="upper", omit_defaults=True):
    """How to serve; the environment variable of each has its name in capitals.

    `reload_seconds` is how often the bundle's folder is looked at;
    `require_signature` is the file of the public key whose signature a bundle needs, if any;
    `drain_seconds` is how long requests in flight may take after SIGTERM, `max_wait_seconds` how
    long one may wait for its turn, and `max_buffered_bytes` how much of requests a worker holds.
    """

    bundle: Annotated[str, msgspec.Meta(min_length=1)] = "bundle"
    # Where the image has one of its own.
    embedded_bundle: str = ""
    fallback_to_embedded: bool = False
    # 0 is never.
    reload_seconds: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    # Without it none is required; an empty one is a mistake, not a wish.
    require_signature: Annotated[str, msgspec.Meta(min_length=1)] = ""
    listen_host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8080
    grpc_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8081
    # 0 is as many as the CPU limit gives whole CPUs, or one.
    workers: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # "auto" is text on a terminal, else JSON.
    log_format: Literal["auto", "json", "text"] = "auto"
    access_log: bool = False
    max_rows: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    # Answer why a prediction is what it is; one that is explained costs as much as hundreds.
    explain: bool = True
    max_explained_rows: Annotated[int, msgspec.Meta(ge=1)] = 1000
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1)] = 4 * 1024 * 1024
    max_wait_seconds: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    max_buffered_bytes: Annotated[int, msgspec.Meta(ge=1)] = 32 * 1024 * 1024
    # Longer than proxies and load balancers keep theirs, so that they never write into its end.
    keep_alive_seconds: Annotated[int, msgspec.Meta(ge=1)] = 75
    header_seconds: Annotated[int, msgspec.Meta(ge=1)] = 10
    transfer_seconds: Annotated[int, msgspec.Meta(ge=1)] = 30
    grpc_connection_seconds: Annotated[int, msgspec.Meta(ge=0)] = 4
    drain_seconds: Annotated[int, msgspec.Meta(ge=0)] = 20
    api_keys_file: Annotated[str, msgspec.Meta(min_length=1)] = ""
    jwt_jwks: Annotated[str, msgspec.Meta(min_length=1)] = ""
    jwt_issuer: Annotated[str, msgspec.Meta(min_length=1)] = ""
    jwt_audience: Annotated[str, msgspec.Meta(min_length=1)] = ""
    tls_cert_file: Annotated[str, msgspec.Meta(min_length=1)] = ""
    tls_key_file: Annotated[str, msgspec.Meta(min_length=1)] = ""
    tls_client_ca_file: Annotated[str, msgspec.Meta(min_length=1)] = ""
    # Requests a second of one principal, to one worker; 0 is any number.
    rate_limit: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.0
    # How many of them at once; 0 is those of a second.
    rate_burst: Annotated[int, msgspec.Meta(ge=0)] = 0
    # Without it nothing is captured.
    capture_folder: str = ""
    # The share of the graph's runs; small requests of one moment share a run.
    capture_ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    # Of all files in the folder, whoever writes there.
    capture_bytes: Annotated[int, msgspec.Meta(ge=2**20)] = 64 * 1024 * 1024
    # What /docs and /openapi.json call the API; without it the model and the server's version.
    api_title: str = ""
    api_version: str = ""
    # Whether there is a page at /ui on which one changes a row.
    ui: bool = False


NAMES = tuple(field.encode_name for field in msgspec.structs.fields(Settings))


def read(flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings: a flag that was given, else the environment, else the default.

    Raises SettingsError, naming the setting and its value, when one cannot be used.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    values = {name: environment[name] for name in NAMES if name in environment} | given
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).rpartition(" - at `$.")
        name = path.rstrip("`")
        message = f"setting {name} is {values[name]!r}: {reason}"
        raise SettingsError(message) from error


def traces_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether OpenTelemetry's own variables name a collector for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if exporter := environment.get("OTEL_TRACES_EXPORTER"):
        return exporter == "otlp"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name) for name in names)
