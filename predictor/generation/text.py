"""What is filled into the templates: words, tables and literals."""

import ipaddress
import re
from collections.abc import Iterable, Mapping

import msgspec

from predictor.contract import Contract
from predictor.generation import packaged
from predictor.generation.service import Service
from predictor.markdown import line

# What stands between two @ in a template; two together are one.
WORD = re.compile(r"@@|@([a-z_]+)@")


def fill(template: str, words: Mapping[str, str]) -> bytes:
    """Return a template with its words filled in; one that has no meaning is a KeyError."""
    text = packaged.template(template)
    return WORD.sub(lambda found: words[found[1]] if found[1] else "@", text).encode()


def quoted(value: object) -> str:
    """Return a value as JSON, which YAML and, for texts and numbers, Python read too."""
    return msgspec.json.encode(value).decode()


def _reached(host: str) -> str:
    """Return an address as it stands in a URL; every address of a machine is reached by its own."""
    address = ipaddress.ip_address(host)
    own = {4: "127.0.0.1", 6: "::1"}[address.version] if address.is_unspecified else host
    return f"[{own}]" if address.version == 6 else own


def _docker(text: str) -> str:
    """Return a text as a Dockerfile's value, in which nothing is a variable."""
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def words(service: Service) -> dict[str, str]:
    """Return the words that several files have."""
    manifest, deployment = service.manifest, service.settings.deployment
    api, monitoring = deployment.api, deployment.monitoring
    return {
        "model": manifest.name,
        "model_version": manifest.version,
        "release": service.release,
        "image": service.image,
        "repository": service.repository,
        "image_word": re.sub(r"\W", "_", service.repository, flags=re.ASCII),
        "title": quoted(service.title),
        "version": quoted(service.version),
        "docker_title": _docker(service.title),
        "docker_version": _docker(service.version),
        "title_text": line(service.title),
        "version_text": line(service.version),
        "base_image": deployment.docker.base_image,
        "host": quoted(api.host),
        "port": str(api.port),
        "workers": str(api.workers),
        "address": f"{_reached(api.host)}:{api.port}",
        "drift": quoted(monitoring.enable_drift_detection),
        "threshold": f"{monitoring.drift_threshold:g}",
    }


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return the rows of a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def columns(contract: Contract) -> str:
    """Return a table's rows: each column, what it takes and what it is."""
    return table(
        (f"`{column.name}`", line(column.expectation), line(column.description))
        for column in contract.columns
    )


def metrics(service: Service) -> str:
    """Return what was measured, as a table."""
    found = service.experiment.metrics or service.manifest.metrics
    if not found:
        return "Its team has handed over no figures; see [the model card](model-card.md)."
    rows = ((line(name), f"{value:.6g}") for name, value in found.items())
    return f"| metric | value |\n| --- | --- |\n{table(rows)}"


def predicts(service: Service) -> str:
    """Say what is predicted."""
    target = service.manifest.contract.target
    kind = f"one of {', '.join(target.classes)}" if target.classes else target.unit
    return f"`{target.name}` ({line(kind)})" if kind else f"`{target.name}`"


def contacts(service: Service) -> str:
    """Return whom to ask: those of the experiment, and what is to be filled in."""
    rows = [("the model", line(contact)) for contact in service.experiment.contacts]
    rows += [] if rows else [("the model's team", "*fill in*")]
    rows += [("who is on call", "*fill in*"), ("the cluster's team", "*fill in*")]
    return f"| for | ask |\n| --- | --- |\n{table(rows)}"


def drift(service: Service) -> str:
    """Return the table's row on drift, or why there is none."""
    monitoring = service.settings.deployment.monitoring
    if not monitoring.enable_drift_detection:
        return "\nDrift is not watched: `deployment.monitoring.enable_drift_detection` is false."
    if service.manifest.profile is None:
        return "\nDrift is not watched: the bundle has no profile of its training's rows."
    over = (
        f"over {monitoring.drift_threshold:g}"
        if monitoring.drift_threshold
        else ("over `predictor:drift_threshold`, the column's own")
    )
    return table([("drift", "`predictor:drift_psi`, the PSI of 28 days, by column", over)])
