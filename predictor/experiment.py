"""What a team hands over of its model: experiment_manifest.json, from which a service is made.

Training writes one beside its bundle. Paths in it are from its own folder.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from predictor.contract import Name
from predictor.errors import JSON_ERRORS, ExperimentError

FILE = "experiment_manifest.json"

ModelType = Literal["bundle", "onnx", "xgboost", "lightgbm", "catboost", "sklearn"]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that the model is given.

    `minimum` and `maximum` are inclusive and in `unit`; `categories` are in the order of the
    model's own codes, where it has codes. What is `optional` may be missing. `feature` is the
    model's own name of it, where that is another.
    """

    type: Literal["number", "integer", "boolean", "category"]
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    optional: bool = False
    feature: str = ""


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the model predicts: a number in `unit`, or one of `classes`, in the model's order."""

    name: Name
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    classes: tuple[str, ...] = ()


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model, what it is given, what it predicts and what its team measured.

    `input_schema` is in the order of the model's features. `examples` is a CSV file of real rows,
    with a column for each name of the schema; if it has the target's too, that is what happened.
    `trusted_types` are the Python types that a scikit-learn model may be made of beside those that
    skops knows. `contacts` are whom to ask.
    """

    name: Name
    model_path: str
    model_type: ModelType
    input_schema: Annotated[dict[Name, Input], msgspec.Meta(min_length=1)]
    target: Output
    metrics: dict[str, float] = {}
    examples: str = ""
    description: str = ""
    experiment_id: str = ""
    created: str = ""
    trusted_types: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()


# What msgspec says, and what is to be done.
SAYINGS = (
    (
        r"Expected `object` of length >= 1 - at `\$\.input_schema`",
        "input_schema is empty; name each value that the model is given, in the model's order",
    ),
    (
        r"Invalid enum value ('.*') - at `\$\.model_type`",
        rf"model_type is \1; expected one of {', '.join(get_args(ModelType))}",
    ),
    (
        r"Invalid enum value ('.*') - at `\$\.input_schema\[\.\.\.\]\.type`",
        r"a type in input_schema is \1; expected one of number, integer, boolean, category",
    ),
    (r"Object missing required field `(.*?)`( - at `(.*)`)?", r"\1 is missing\2; add it"),
    (r"Object contains unknown field `(.*?)`( - at `(.*)`)?", r"there is no field \1\2; remove it"),
)


def _said(sentence: str) -> str:
    for said, friendly in SAYINGS:
        if re.fullmatch(said, sentence):
            return re.sub(said, friendly, sentence)
    return sentence


def read(path: Path) -> Experiment:
    """Return the experiment of a file; raises ExperimentError, saying what to do."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Experiment)
    except OSError as error:
        message = f"{path}: {error.strerror}; expected the {FILE} that a team hands over"
        raise ExperimentError(message) from error
    except JSON_ERRORS as error:
        message = f"{path} is no experiment manifest: {_said(str(error))}"
        raise ExperimentError(message) from error
