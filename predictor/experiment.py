"""What a team hands over of its model: experiment_manifest.json, from which a service is made.

Training writes one beside its bundle. Paths in it are from its own folder.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from predictor.bundle import Manifest
from predictor.contract import LARGEST, Column, Name, Target
from predictor.errors import JSON_ERRORS, ExperimentError

FILE = "experiment_manifest.json"

# A boolean is a whole number with these names.
TRUTH = {"false": 0, "true": 1}
# The model of a bundle that was trained here, among its scores.
SERVED = "stack"

Type = Literal["number", "integer", "boolean", "category"]
TYPES: dict[str, Type] = {"FP64": "number", "INT64": "integer", "BYTES": "category"}
DIALECT = "https://json-schema.org/draft/2020-12/schema"

ModelType = Literal["bundle", "onnx", "xgboost", "lightgbm", "catboost", "sklearn"]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One value that the model is given.

    `minimum` and `maximum` are inclusive and in `unit`; `categories` are in the order of the
    model's own codes, where it has codes. What is `optional` may be missing. `feature` is the
    model's own name of it, where that is another.
    """

    type: Type
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
        found = msgspec.json.decode(path.read_bytes(), type=Experiment)
    except OSError as error:
        message = f"{path}: {error.strerror}; expected the {FILE} that a team hands over"
        raise ExperimentError(message) from error
    except JSON_ERRORS as error:
        message = f"{path} is no experiment manifest: {_said(str(error))}"
        raise ExperimentError(message) from error
    if found.created and not _is_moment(found.created):
        message = (
            f"{path}: created is {found.created!r}, expected a moment of ISO 8601 with its zone, "
            "such as 2026-01-02T03:04:05+00:00, or nothing"
        )
        raise ExperimentError(message)
    return found


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def beside(bundle: Path) -> Path:
    """Return where training writes the experiment of a bundle's folder: next to it, by its name.

    In the folder it would be a file that the bundle does not name, and under FILE alone it would
    replace another bundle's.
    """
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.{FILE}")


def write(path: Path, experiment: Experiment) -> None:
    """Write an experiment to a file; raises ExperimentError when it cannot be."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(experiment), indent=2) + b"\n")
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise ExperimentError(message) from error


def schema() -> str:
    """Return the JSON schema of the file, as it is published in docs/reference."""
    found = {"$schema": DIALECT, "title": FILE} | msgspec.json.schema(Experiment)
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    # The end of a text has another name in a JSON schema, and docstrings are indented.
    return text.replace("\\\\Z", "$").replace("\\n    ", "\\n") + "\n"


def of_bundle(manifest: Manifest, model_path: str) -> Experiment:
    """Return the experiment whose model is a bundle, which is at `model_path`."""
    contract = manifest.contract
    return Experiment(
        name=manifest.name,
        model_path=model_path,
        model_type="bundle",
        input_schema={column.name: input_of(column) for column in contract.columns},
        target=output_of(contract.target),
        metrics=manifest.metrics or _metrics(manifest),
        experiment_id=manifest.version,
        created=manifest.created,
    )


def _metrics(manifest: Manifest) -> dict[str, float]:
    """Return the errors of the model that is served, by protocol."""
    return {
        f"{protocol} {name}": value
        for protocol, scores in manifest.scores.items()
        for name, value in msgspec.structs.asdict(scores[SERVED]).items()
        if name != "rows" and value is not None
    }


def input_of(column: Column) -> Input:
    """Return what a schema says of a contract's column; names of whole numbers are left out."""
    is_boolean = column.datatype == "INT64" and column.labels == TRUTH
    has_range = column.datatype != "BYTES" and not is_boolean
    return Input(
        type="boolean" if is_boolean else TYPES[column.datatype],
        unit=column.unit,
        description=column.description,
        minimum=_limit(column.minimum) if has_range else None,
        maximum=_limit(column.maximum) if has_range else None,
        categories=tuple(column.names) if column.datatype == "BYTES" else (),
        optional=column.optional,
    )


def output_of(target: Target) -> Output:
    """Return what an experiment says of a contract's target."""
    return Output(
        name=target.name,
        unit=target.unit,
        description=target.description,
        minimum=_limit(target.minimum),
        maximum=_limit(target.maximum),
        classes=target.classes,
    )


def check_same(given: Experiment, manifest: Manifest) -> None:
    """Raise ExperimentError when an experiment does not say what its bundle does.

    Words for people, and the model's own names of its features, may differ.
    """
    if given.name != manifest.name:
        message = f"name is {given.name}, but the bundle's is {manifest.name}: write the bundle's"
        raise ExperimentError(message)
    inputs = {column.name: input_of(column) for column in manifest.contract.columns}
    if list(given.input_schema) != list(inputs):
        message = (
            f"input_schema has {', '.join(given.input_schema)}, but the bundle's contract "
            f"{', '.join(inputs)}: they must be the same, in this order"
        )
        raise ExperimentError(message)
    for name, held in inputs.items():
        _check_field(f"input_schema.{name}", given.input_schema[name], held)
    _check_field("target", given.target, output_of(manifest.contract.target))


def _check_field(field: str, given: Input | Output, held: Input | Output) -> None:
    said, expected = _fields(given), _fields(held)
    for name in {**expected, **said}:
        if name not in {"description", "feature"} and said.get(name) != expected.get(name):
            message = (
                f"{field}.{name} is {said.get(name, 'not given')}, but in the bundle's contract it "
                f"is {expected.get(name, 'not given')}: write what the contract says"
            )
            raise ExperimentError(message)


def _fields(schema: Input | Output) -> dict[str, object]:
    """Return the fields that say something: the largest number is no limit."""
    found: dict[str, object] = msgspec.to_builtins(schema)
    return {name: v for name, v in found.items() if v not in (-LARGEST, LARGEST)}


def _limit(value: float) -> float | None:
    return None if abs(value) == LARGEST else value
