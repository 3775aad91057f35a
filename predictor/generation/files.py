"""All files of a folder: pure functions of a service, the bundle's files and what is packaged."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from predictor import __version__
from predictor.bundle import MANIFEST
from predictor.contract import Contract
from predictor.experiment import Experiment
from predictor.generation import packaged, rendering, schemas, settings, text, wheel
from predictor.generation.service import Service
from predictor.markdown import line

Files = dict[str, bytes]

DEPLOYMENT_MANIFEST = "deployment_manifest.json"
BUNDLE = "bundle/"
CARD = "model-card.md"


class Generator(msgspec.Struct, frozen=True):
    """What made a folder."""

    name: str
    version: str


class Source(msgspec.Struct, frozen=True):
    """The manifest that a team handed over."""

    file: str
    sha256: str
    name: str
    experiment_id: str


class Model(msgspec.Struct, frozen=True):
    """What is served, and the versions of what it was made with."""

    name: str
    version: str
    type: str
    created: str
    versions: dict[str, str]


class DeploymentManifest(msgspec.Struct, frozen=True):
    """All that was generated, of what and by what; `files` are the SHA-256 of each."""

    generator: Generator
    source: Source
    model: Model
    api_title: str
    api_version: str
    image: str
    settings: settings.Settings
    files: dict[str, str]


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return sha256(content).hexdigest()


def generate(service: Service, bundle: Mapping[str, bytes]) -> Files:
    """Return the content of every file but the deployment's manifest, by its path.

    `bundle` are the bundle's own files. Where helm is on the PATH, what it renders is among them.
    """
    words = text.words(service)
    files = _own(service, words) | _locked()
    files |= {f"{BUNDLE}{name}": content for name, content in bundle.items()}
    files |= {f"chart/{name}": content for name, content in packaged.chart_files().items()}
    files |= rendering.rendered(service.release, packaged.chart(), files["values.yaml"])
    files |= _documents(service, words, bundle)
    return dict(sorted(files.items()))


def source_of(experiment: Experiment, path: Path) -> Source:
    """Return what is told of the manifest at `path` that an experiment was read from."""
    content = path.read_bytes()
    return Source(path.name, digest(content), experiment.name, experiment.experiment_id)


def manifest_of(service: Service, source: Source, files: Mapping[str, bytes]) -> DeploymentManifest:
    """Return the deployment's manifest."""
    model = service.manifest
    return DeploymentManifest(
        generator=Generator("energy-predictor", __version__),
        source=source,
        model=Model(model.name, model.version, model.type, model.created, model.versions),
        api_title=service.title,
        api_version=service.version,
        image=service.image,
        settings=service.settings,
        files={name: digest(content) for name, content in files.items()},
    )


def encoded(manifest: DeploymentManifest) -> bytes:
    """Return a manifest as the JSON that is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _own(service: Service, words: dict[str, str]) -> Files:
    """Return what programs read, which is filled in from templates."""
    contract = service.manifest.contract
    places = {
        "Dockerfile": "Dockerfile",
        ".dockerignore": "dockerignore",
        ".gitignore": "gitignore",
        "compose.yaml": "compose.yaml",
        "values.yaml": "values.yaml",
        "skaffold.yaml": "skaffold.yaml",
        ".github/workflows/ci.yaml": "ci.yaml",
        "monitoring/prometheus/prometheus.yml": "prometheus.yml",
        "monitoring/grafana/datasources/prometheus.yaml": "datasource.yaml",
        "monitoring/grafana/dashboards/dashboards.yaml": "dashboards.yaml",
        "tests/conftest.py": "conftest.py",
    }
    files = {path: text.fill(name, words) for path, name in places.items()}
    files["service.py"] = text.fill("service.py", words | _types(contract))
    files["tests/test_service.py"] = text.fill(
        "test_service.py",
        words
        | {
            "target": contract.target.name,
            "columns": text.quoted(contract.names),
            "classes": repr(list(contract.target.classes)),
        },
    )
    return files


def _types(contract: Contract) -> dict[str, str]:
    """Return what is filled into service.py of a contract."""
    row, prediction = schemas.row(contract), schemas.prediction(contract)
    typing = schemas.used(row + prediction, ["Annotated", "Literal"])
    field = schemas.used(row, ["Field"])
    return {
        "row": row,
        "prediction": prediction,
        "coverage": "    interval_coverage: float\n" if contract.interval else "",
        "typing": f"from typing import {typing}\n" if typing else "",
        "pydantic": f"BaseModel, ConfigDict{', ' if field else ''}{field}",
    }


def _locked() -> Files:
    """Return what is installed: the serving part, and the libraries that it is tested with."""
    own = wheel.wheel(packaged.serving())
    pinned = f"energy-predictor=={wheel.VERSION} --hash=sha256:{digest(own)}"
    requirements = f"--find-links ./wheels\n{pinned}\n\n{packaged.lock('serve')}"
    return {
        f"wheels/{wheel.NAME}": own,
        "requirements.txt": requirements.encode(),
        "tests/requirements.txt": packaged.lock("pytest").encode(),
    }


def _documents(service: Service, words: dict[str, str], bundle: Mapping[str, bytes]) -> Files:
    """Return what people read."""
    manifest, experiment = service.manifest, service.experiment
    readme = {
        "predicts": text.predicts(service),
        "description": f"\n{line(experiment.description)}\n" if experiment.description else "",
        "experiment": experiment.name,
        "example": text.quoted(manifest.golden.rows[0]).replace("'", "'\\''"),
        "columns": text.columns(manifest.contract),
        "metrics": text.metrics(service),
    }
    runbook = {"contacts": text.contacts(service), "drift": text.drift(service)}
    return {
        "README.md": text.fill("README.md", words | readme),
        "runbook.md": text.fill("runbook.md", words | runbook),
        CARD: _card(service, bundle),
    }


def _card(service: Service, bundle: Mapping[str, bytes]) -> bytes:
    """Return the bundle's model card, whose pictures stay with the bundle."""
    if CARD not in bundle:
        title = f"# Model card: {service.manifest.name}, version {service.manifest.version}"
        return f"{title}\n\n{text.metrics(service)}\n".encode()
    card = bundle[CARD].decode()
    for name in bundle.keys() - {CARD, MANIFEST}:
        card = card.replace(f"]({name})", f"]({BUNDLE}{name})")
    return card.encode()
