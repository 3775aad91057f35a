"""What a folder is made of, and the names that are in all of its files."""

from dataclasses import dataclass

from predictor.bundle import Manifest
from predictor.errors import ExperimentError
from predictor.experiment import Experiment, check_same
from predictor.generation.settings import Settings

# Kubernetes allows 63 characters, of which `-predictor-` and what makes a pod's name one of its own
# take 27.
LONGEST_NAME = 36


@dataclass(frozen=True)
class Service:
    """A model that is to be served: how it was handed over, its bundle, and how it is deployed.

    `title` and `version` are what people call the API. Raises ExperimentError when the experiment
    does not say what the bundle does, or no release can be called so.
    """

    experiment: Experiment
    manifest: Manifest
    settings: Settings
    title: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        """Refuse what no folder can be made of; and fill in what was left out."""
        check_same(self.experiment, self.manifest)
        if len(self.release) > LONGEST_NAME:
            message = (
                f"the model's name {self.manifest.name} has {len(self.release)} characters, "
                f"expected at most {LONGEST_NAME}, for Kubernetes' names are made of it"
            )
            raise ExperimentError(message)
        object.__setattr__(self, "title", self.title or f"{self.manifest.name} predictor")
        object.__setattr__(self, "version", self.version or self.manifest.version)
        for name, text in (("title", self.title), ("version", self.version)):
            if not text.isprintable():
                message = f"the API's {name} is {text!r}, expected one line of text"
                raise ExperimentError(message)

    @property
    def release(self) -> str:
        """The release's name, which the InferenceService has too."""
        return self.manifest.name.replace("_", "-").strip("-")

    @property
    def repository(self) -> str:
        """The image's name, without its tag."""
        registry = self.settings.deployment.docker.registry.rstrip("/")
        return f"{registry}/{self.release}-predictor" if registry else f"{self.release}-predictor"

    @property
    def image(self) -> str:
        """The image's name; its tag is the model's version."""
        return f"{self.repository}:{self.manifest.version}"
