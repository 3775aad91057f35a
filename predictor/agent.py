"""An experiment's manifest → a deployment's folder: the whole way in one call."""

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from predictor import bundle, experiment
from predictor.bundle import SIGNATURE, Manifest
from predictor.errors import ExperimentError, MissingBundleError
from predictor.experiment import Experiment
from predictor.folder import opened
from predictor.generation import files, folder
from predictor.generation import settings as choices
from predictor.generation.files import DeploymentManifest
from predictor.generation.folder import Change
from predictor.generation.service import Service

OUTPUT = Path("deployment")


@dataclass(frozen=True)
class Generated:
    """A folder, the manifest of what was generated, and what was changed by it."""

    folder: Path
    manifest: DeploymentManifest
    change: Change
    is_rendered: bool


def run_deployment_agent(  # noqa: PLR0913 - a call in a notebook is read by its names
    experiment_manifest_path: str | Path,
    api_title: str = "",
    api_version: str = "",
    *,
    output: str | Path = OUTPUT,
    settings_file: str | Path | None = None,
    settings: Mapping[str, str | float] | None = None,
    force: bool = False,
) -> tuple[Path, DeploymentManifest]:
    """Make a deployment of an experiment; return its folder and the manifest of what is in it.

    `settings` are by their keys, such as `deployment.api.port`, and outweigh the environment and
    the file; `force` replaces files that somebody changed, which are kept otherwise and told of on
    stderr. Raises PredictorError, and writes nothing, when no deployment can be made.
    """
    generated = generate(
        Path(experiment_manifest_path),
        Path(output),
        api_title=api_title,
        api_version=api_version,
        settings_file=Path(settings_file) if settings_file else None,
        settings=settings,
        force=force,
    )
    sys.stderr.writelines(f"{conflict}\n" for conflict in generated.change.conflicts)
    return generated.folder, generated.manifest


def generate(  # noqa: PLR0913 - each is one flag of the command
    path: Path,
    output: Path,
    *,
    api_title: str = "",
    api_version: str = "",
    settings_file: Path | None = None,
    settings: Mapping[str, str | float] | None = None,
    force: bool = False,
) -> Generated:
    """Make a deployment of the experiment at `path` in the folder `output`.

    Settings are those of `settings_file`, by default of config/settings.yaml beside the experiment
    if that is there; the environment outweighs it, and `settings`, by their keys, outweigh both.
    """
    found = experiment.read(path)
    chosen = choices.read(settings_file or _settings_beside(path), os.environ, settings)
    manifest, content = _bundle(found, path.parent)
    service = Service(found, manifest, chosen, api_title, api_version)
    made = files.generate(service, content)
    listed = files.manifest_of(service, files.source_of(found, path), made)
    change = folder.write(output, made, listed, is_forced=force)
    return Generated(output, listed, change, f"manifests/{service.release}.yaml" in made)


def _settings_beside(path: Path) -> Path | None:
    file = path.parent / choices.FILE
    return file if file.exists() else None


def _bundle(found: Experiment, beside: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the files of the experiment's model as a bundle."""
    if found.model_type == "bundle":
        try:
            return _read(beside / found.model_path)
        except MissingBundleError as error:
            message = f"model_path is {found.model_path}, but there is no bundle there"
            raise ExperimentError(message) from error
    if not (beside / found.model_path).exists():
        message = f"model_path is {found.model_path}, but there is no such file in {beside}"
        raise ExperimentError(message)
    from predictor.training import imported

    dated = found if found.created else msgspec.structs.replace(found, created=_day(found, beside))
    trained = imported.bundle_of(dated, beside)
    with tempfile.TemporaryDirectory() as scratch:
        bundle.write(Path(scratch, "bundle"), trained.manifest, trained.files)
        return _read(Path(scratch, "bundle"))


def _day(found: Experiment, beside: Path) -> str:
    """Return when the model was made, for want of a word on it: so that each run says the same."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    model = beside / found.model_path
    seconds = int(epoch) if epoch.isdecimal() else int(model.stat().st_mtime)
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _read(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return a bundle's manifest, and its files as they are, for a signature is of their bytes.

    Raises BundleError when it is damaged, or does not predict its golden rows.
    """
    from predictor.verify import answers_of

    found = bundle.read(path)
    answers_of(path, found)
    manifest = found.manifest
    with opened(path, bundle.MANIFEST) as inside:
        signed = [SIGNATURE] if SIGNATURE in inside.names() else []
        kept = {
            name: inside.content(name, bundle.MOST_BYTES.get(name, bundle.OTHERS_MOST_BYTES))
            for name in [bundle.MANIFEST, *signed]
        }
        listed = {name: bundle.content_of(inside, name, manifest) for name in manifest.files}
    return manifest, kept | listed
