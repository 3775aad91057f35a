"""The model progression abababababab: what a row and its answer are, and how its server starts.

`python service.py` serves it as `predictor serve --bundle bundle` does. What the environment says
outweighs what is written here; docs/reference/settings.md of energy-predictor has all settings.
The types are for clients, such as `Answer.model_validate_json(...)`: the server has its own.
"""

import os
import sys
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

MODEL = "progression"
MODEL_VERSION = "abababababab"
BUNDLE = Path(__file__).parent / "bundle"
SETTINGS = {
    "BUNDLE": str(BUNDLE),
    "LISTEN_HOST": "127.0.0.1",
    "PORT": "8080",
    "WORKERS": "0",
    "API_TITLE": "progression predictor",
    "API_VERSION": "abababababab",
}


class Row(BaseModel):
    """A row, as POST /predict takes it; dump it with `model_dump(by_alias=True)`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)

    age: float
    sex: float
    body_mass: float
    blood_pressure: float
    s1: float
    s2: float
    s3: float
    s4: float
    s5: float
    s6: float


class Prediction(BaseModel):
    """What is predicted for a row."""

    predicted_progression: float
    warnings: list[str]
    prediction_id: str


class Provenance(BaseModel):
    """What made a prediction, from which columns, and when (UTC)."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    model_type: str
    prediction_timestamp: datetime
    features_used: list[str]


class Answer(Prediction, Provenance):
    """The answer of POST /predict."""


class BatchAnswer(Provenance):
    """The answer of POST /predict/batch, whose body is a list of rows."""

    predictions: list[Prediction]


def serve() -> None:
    """Serve the bundle, in place of this process."""
    command = [sys.executable, "-m", "predictor", "serve"]
    os.execve(sys.executable, command, SETTINGS | os.environ)


if __name__ == "__main__":
    serve()
