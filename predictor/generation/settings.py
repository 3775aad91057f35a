"""What a team may choose of its deployment: by a file, the environment and flags, in this order.

The environment outweighs the file, and flags outweigh both.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias, get_type_hints

import msgspec
import yaml  # noqa: F401 - by which msgspec reads YAML, and says less when it is not there

from predictor.errors import SettingsError

# Beside the experiment's manifest.
FILE = Path("config", "settings.yaml")

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Image: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*\Z")]
Registry: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][A-Za-z0-9._/:-]*)?\Z")]
Threshold: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1000)]


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the service is reached on one machine, and its processes; 0 is one for each CPU."""

    host: Text = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8080
    workers: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0


class Docker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the image is built on, and where it goes; an empty registry is none."""

    base_image: Image = "python:3.11-slim"
    registry: Registry = ""


class Monitoring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether drift is watched, and over which PSI it is drift; 0 is each column's own."""

    enable_drift_detection: bool = True
    drift_threshold: Threshold = 0.0


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is deployed."""

    api: Api = Api()
    docker: Docker = Docker()
    monitoring: Monitoring = Monitoring()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file may say."""

    deployment: Deployment = Deployment()


def keys(kind: type[msgspec.Struct] = Settings, above: str = "") -> Iterator[tuple[str, object]]:
    """Yield each setting's key, such as `deployment.api.port`, with its type."""
    for name, of in get_type_hints(kind, include_extras=True).items():
        if isinstance(of, type) and issubclass(of, msgspec.Struct):
            yield from keys(of, f"{above}{name}.")
        else:
            yield above + name, of


KEYS = dict(keys())
VARIABLES = {key.upper().replace(".", "_"): key for key in KEYS}


def read(
    file: Path | None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str | float] | None = None,
) -> Settings:
    """Return the settings of a file, the environment and flags, or the defaults.

    `flags` are by their keys, and a text may stand for a number. Raises SettingsError, naming the
    key and what it may be.
    """
    found = _of_file(file) if file else {}
    for name, key in VARIABLES.items():
        if environment and name in environment:
            found[key] = _parsed(name, key, environment[name])
    for key, value in (flags or {}).items():
        found[key] = _parsed(key, key, value)
    settings = msgspec.convert(_nested(found), Settings)
    _check_host(settings.deployment.api.host)
    return settings


def _of_file(path: Path) -> dict[str, object]:
    try:
        found = dict(_flat(msgspec.yaml.decode(path.read_bytes())))
        for key in found.keys() - KEYS.keys():
            _refuse_unknown(key)
        for key, value in found.items():
            _converted(key, key, value, is_strict=True)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise SettingsError(message) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path} is no YAML: {' '.join(str(error).split())}"
        raise SettingsError(message) from error
    except SettingsError as error:
        message = f"{path}: {error}"
        raise SettingsError(message) from error
    return found


def _flat(value: object, above: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value with its key, down to where a setting can be; an empty group has none."""
    if not _is_group(above):
        yield above, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _flat(below, f"{above}.{key}" if above else str(key))
    elif value is not None:
        message = f"{above or 'the file'}: got {value!r}, expected {_known(above)}"
        raise SettingsError(message)


def _is_group(key: str) -> bool:
    return not key or any(known.startswith(f"{key}.") for known in KEYS)


def _known(group: str) -> str:
    """Return the settings of a group, in words that end an error's sentence."""
    return ", ".join(sorted(key for key in KEYS if key.startswith(group)))


def _refuse_unknown(key: str) -> None:
    above = key
    while not _is_group(above):
        above = above.rpartition(".")[0]
    message = f"there is no setting {key}, but {_known(above)}"
    raise SettingsError(message)


def _parsed(name: str, key: str, value: object) -> object:
    if key not in KEYS:
        _refuse_unknown(key)
    return _converted(name, key, value, is_strict=not isinstance(value, str))


def _converted(name: str, key: str, value: object, *, is_strict: bool) -> object:
    try:
        return msgspec.convert(value, KEYS[key], strict=is_strict)
    except msgspec.ValidationError as error:
        sentence = re.sub(r"`", "", str(error))
        message = f"{name}: got {value!r}; {sentence[:1].lower()}{sentence[1:]}"
        raise SettingsError(message) from error


def _nested(found: Mapping[str, object]) -> dict[str, object]:
    nested: dict[str, object] = {}
    for key, value in found.items():
        inner = nested
        *groups, name = key.split(".")
        for group in groups:
            inner = inner.setdefault(group, {})  # type: ignore[assignment] # groups hold dicts
        inner[name] = value
    return nested


def _check_host(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        message = f"deployment.api.host: got {host!r}, expected an address such as 127.0.0.1"
        raise SettingsError(message) from None
