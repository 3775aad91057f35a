"""What a client sends and gets, out of an experiment's schema."""

import re
from collections.abc import Sequence

from predictor.contract import LARGEST, Column, Contract, Target
from predictor.errors import ExperimentError
from predictor.experiment import TRUTH, Experiment, Input, Output

DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "INT64", "category": "BYTES"}
# What libraries call features that were given no names.
UNNAMED = re.compile(r"(Column_|f|x)?\d+")


def contract_of(experiment: Experiment) -> Contract:
    """Return the contract; raises ExperimentError, naming the field that contradicts another."""
    for name, given in experiment.input_schema.items():
        _refuse(f"input_schema.{name}", _contradiction(given))
    _refuse("target", _target_contradiction(experiment.target))
    try:
        columns = tuple(_column(name, each) for name, each in experiment.input_schema.items())
        return Contract(columns, _target(experiment.target), interval=False)
    except ValueError as error:  # what the contract refuses by itself
        message = f"the experiment's schema is no contract: {error}"
        raise ExperimentError(message) from error


def features_of(experiment: Experiment) -> list[str]:
    """Return the model's own names of the inputs, in the order of the schema."""
    return [given.feature or name for name, given in experiment.input_schema.items()]


def places(experiment: Experiment, names: Sequence[str]) -> list[int]:
    """Return for each of the model's features its place in the schema.

    They are told by the model's own names, or where it has none, by their order. Raises
    ExperimentError when the model has others, or another number of them.
    """
    given = features_of(experiment)
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        message = f"input_schema has the feature {', '.join(repeated)} more than once"
        raise ExperimentError(message)
    if sorted(names) == sorted(given):
        return [given.index(name) for name in names]
    is_unnamed = all(UNNAMED.fullmatch(name) for name in names)
    if is_unnamed and len(names) == len(given):
        return list(range(len(given)))
    raise ExperimentError(_mismatch(experiment, names, given, is_unnamed=is_unnamed))


def _mismatch(
    experiment: Experiment, names: Sequence[str], given: Sequence[str], *, is_unnamed: bool
) -> str:
    path = experiment.model_path
    if is_unnamed:
        return (
            f"{path} takes {len(names)} features, input_schema has {len(given)}: give one for "
            "each, in the order in which the model was fitted on them"
        )
    lacking = ", ".join(name for name in names if name not in given) or "nothing"
    foreign = ", ".join(name for name in given if name not in names) or "nothing"
    return (
        f"input_schema is not what {path} was fitted on: it lacks {lacking}, and has {foreign}; "
        "where a name here is not the model's own, give that as its `feature`"
    )


def check_classes(experiment: Experiment, own: Sequence[object]) -> None:
    """Refuse classes that are not the model's, or not in its order; numbers stand for places."""
    names, given = [str(each) for each in own], list(experiment.target.classes)
    are_places = all(name.lstrip("-").isdigit() or name in {"True", "False"} for name in names)
    if names == given or (
        are_places and len(names) == len(given) and sorted(names) != sorted(given)
    ):
        return
    message = (
        f"target.classes is {', '.join(given) or 'empty'}, but {experiment.model_path} predicts "
        f"{', '.join(names)}: give the model's classes in its order"
    )
    raise ExperimentError(message)


def check_scores(experiment: Experiment, classes: int) -> None:
    """Refuse a target that is not of the model's kind; a regression has no classes."""
    given = len(experiment.target.classes)
    if given != classes:
        kind = f"has {classes} classes" if classes else "predicts a number"
        asked = f"names {given}" if given else "names none"
        message = (
            f"{experiment.model_path} {kind}, but target.classes {asked}: "
            f"{'name each of them, in the order of the model' if classes else 'leave it out'}"
        )
        raise ExperimentError(message)


def _refuse(field: str, wrong: str) -> None:
    if wrong:
        message = f"{field}: {wrong}"
        raise ExperimentError(message)


def _contradiction(given: Input) -> str:
    has_range = given.minimum is not None or given.maximum is not None
    is_category = given.type == "category"
    if is_category and not given.categories:
        return "a category has no categories: list them in the order of the model's codes"
    if given.categories and not is_category:
        return f"a {given.type} has categories: make its type category, or leave them out"
    if given.type in {"category", "boolean"} and has_range:
        return f"a {given.type} has a minimum or maximum: leave them out"
    if len(set(given.categories)) < len(given.categories):
        return "a category is listed twice: list each once"
    return _range(given.minimum, given.maximum)


def _target_contradiction(given: Output) -> str:
    has_range = given.minimum is not None or given.maximum is not None
    if given.classes and has_range:
        return "a class has a minimum or maximum: leave them out, or leave classes out"
    if len(given.classes) == 1 or len(set(given.classes)) < len(given.classes):
        return f"got the classes {', '.join(given.classes)}, expected two or more, each once"
    return _range(given.minimum, given.maximum)


def _range(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None and minimum > maximum:
        return f"minimum {minimum:g} is over maximum {maximum:g}: exchange them"
    return ""


def _column(name: str, given: Input) -> Column:
    labels = dict(TRUTH) if given.type == "boolean" else {}
    least, greatest = _limits(given)
    if given.type == "category":
        labels = {label: code for code, label in enumerate(given.categories)}
    return Column(
        name=name,
        datatype=DATATYPES[given.type],  # type: ignore[arg-type]
        unit=given.unit,
        description=given.description,
        minimum=least,
        maximum=greatest,
        labels=labels,
        optional=given.optional,
    )


def _limits(given: Input | Output) -> tuple[float, float]:
    if isinstance(given, Input) and given.type == "boolean":
        return 0.0, 1.0
    least = -LARGEST if given.minimum is None else given.minimum
    return least, LARGEST if given.maximum is None else given.maximum


def _target(given: Output) -> Target:
    least, greatest = _limits(given)
    return Target(given.name, given.unit, given.description, least, greatest, given.classes)
