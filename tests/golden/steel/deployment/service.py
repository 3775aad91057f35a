"""The model energy 0123456789ab: what a row and its answer are, and how its server starts.

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

MODEL = "energy"
MODEL_VERSION = "0123456789ab"
BUNDLE = Path(__file__).parent / "bundle"
SETTINGS = {
    "BUNDLE": str(BUNDLE),
    "LISTEN_HOST": "127.0.0.1",
    "PORT": "8080",
    "WORKERS": "0",
    "API_TITLE": "energy predictor",
    "API_VERSION": "0123456789ab",
}


class Row(BaseModel):
    """A row, as POST /predict takes it; dump it with `model_dump(by_alias=True)`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)

    lagging_reactive_power: Annotated[
        float,
        Field(ge=0, le=1000000, description='Reactive energy while the current lags the voltage, in the 15 minutes (kVArh)'),
    ]
    leading_reactive_power: Annotated[
        float,
        Field(ge=0, le=1000000, description='Reactive energy while the current leads the voltage, in the 15 minutes (kVArh)'),
    ]
    co2: Annotated[
        float,
        Field(ge=0, le=1000000, description='Carbon dioxide of the 15 minutes (t)'),
    ]
    lagging_power_factor: Annotated[
        float,
        Field(ge=0, le=100, description='Power factor while the current lags the voltage (percent)'),
    ]
    leading_power_factor: Annotated[
        float,
        Field(ge=0, le=100, description='Power factor while the current leads the voltage (percent)'),
    ]
    nsm: Annotated[
        int,
        Field(ge=0, le=86399, description='Time at which the 15 minutes end (seconds from midnight)'),
    ]
    day_of_week: Annotated[
        int | Literal['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
        Field(description='Day to which the 15 minutes belong (days from Monday)'),
    ]
    load_type: Annotated[
        Literal['Light', 'Medium', 'Maximum', 'Light_Load', 'Medium_Load', 'Maximum_Load'],
        Field(description="What the plant's schedule calls the load (category)"),
    ]


class Prediction(BaseModel):
    """What is predicted for a row."""

    predicted_usage_kwh: float
    lower: float
    upper: float
    warnings: list[str]
    prediction_id: str


class Provenance(BaseModel):
    """What made a prediction, from which columns, and when (UTC)."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    model_type: str
    prediction_timestamp: datetime
    features_used: list[str]
    interval_coverage: float


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
