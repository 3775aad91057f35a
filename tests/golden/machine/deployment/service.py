"""The model machine_failure abababababab: what a row and its answer are, and how its server starts.

`python service.py` serves it as `predictor serve --bundle bundle` does. What the environment says
outweighs what is written here; docs/reference/settings.md of energy-predictor has all settings.
The types are for clients, such as `Answer.model_validate_json(...)`: the server has its own.
"""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MODEL = "machine_failure"
MODEL_VERSION = "abababababab"
BUNDLE = Path(__file__).parent / "bundle"
SETTINGS = {
    "BUNDLE": str(BUNDLE),
    "LISTEN_HOST": "::1",
    "PORT": "9000",
    "WORKERS": "4",
    "API_TITLE": "machine_failure predictor",
    "API_VERSION": "abababababab",
}


class Row(BaseModel):
    """A row, as POST /predict takes it; dump it with `model_dump(by_alias=True)`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)

    class_: Annotated[
        Literal['small', 'it\'s "large"'],
        Field(description="What the machine's maker calls its kind: small | large", alias='class'),
    ]
    model_year_: Annotated[
        int,
        Field(ge=1950, description='Year in which it was made', alias='model_year'),
    ]
    temperature: Annotated[
        float | None,
        Field(ge=-40, le=150, description="Oil's temperature (°C)"),
    ] = None
    float_: Annotated[
        float | None,
        Field(description='Height of the float in the tank (mm)', alias='float'),
    ] = None


class Prediction(BaseModel):
    """What is predicted for a row."""

    predicted_failure: Literal['no', 'yes']
    probabilities: dict[str, float]
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
