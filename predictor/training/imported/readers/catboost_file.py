"""CatBoost's own files, `.cbm`, and its JSON."""

import ast
import json
import tempfile
from functools import partial
from pathlib import Path

import catboost
import msgspec
import numpy as np

from predictor.contract import Contract
from predictor.errors import JSON_ERRORS, ExperimentError
from predictor.experiment import Experiment
from predictor.training.ensemble.forest import Dump, Forest, Tree, catboost_tree
from predictor.training.imported import schema
from predictor.training.imported.model import Answer, Model, Rows, of_numbers, of_probabilities
from predictor.training.imported.readers.trees import Link, Trees

# It adds up float64: no more may differ than the order in which leaves are added.
TOLERANCE = 1e-9

LINKS: dict[str, Link] = {
    "RMSE": "identity",
    "MAE": "identity",
    "Quantile": "identity",
    "MAPE": "identity",
    "Huber": "identity",
    "LogCosh": "identity",
    "Expectile": "identity",
    "Lq": "identity",
    "Poisson": "exp",
    "Tweedie": "exp",
}
CLASSES = {"Logloss", "CrossEntropy", "MultiClass"}


class _Split(msgspec.Struct):
    border: float
    float_feature_index: int


class _Oblivious(msgspec.Struct):
    splits: list[_Split]
    leaf_values: list[float]


class _Node(msgspec.Struct):
    """A node of a tree that is not oblivious: a leaf has a value and no more."""

    value: float | list[float] = msgspec.field(default_factory=list)
    split: _Split | None = None
    left: "_Node | None" = None
    right: "_Node | None" = None


class _Feature(msgspec.Struct):
    feature_index: int
    flat_feature_index: int


class _Features(msgspec.Struct):
    float_features: list[_Feature]


class _Whole(msgspec.Struct):
    """What a JSON must have: where some of it is not, CatBoost reads another model."""

    scale_and_bias: tuple[float, list[float]]
    features_info: _Features
    oblivious_trees: list[_Oblivious] = []
    trees: list[_Node] = []


def read(experiment: Experiment, path: Path, contract: Contract) -> Model:
    """Return the model in a file; raises ExperimentError when it is none that can be exported."""
    model = _load(path)
    dump = _dumped(model)
    loss = _loss(dump)
    if loss not in CLASSES | LINKS.keys():
        known = ", ".join([*LINKS, *sorted(CLASSES)])
        message = f"{path} has the loss function {loss}, expected one of {known}"
        raise ExperimentError(message)
    _refuse_categories(path, dump)
    order = schema.places(experiment, model.feature_names_)
    sums = len(dump["scale_and_bias"][1])
    classes = max(2, sums) if loss in CLASSES else 0
    schema.check_scores(experiment, classes)
    if classes and len(model.classes_):
        schema.check_classes(experiment, list(model.classes_))
    trees = Trees(_forests(dump, order), LINKS.get(loss, "identity"), in_float32=True)
    return Model(
        kind=f"catboost {'classifier' if classes else 'regressor'}",
        graph=trees.graph(contract),
        native=partial(_native, model, LINKS.get(loss), order, contract),
        tolerance=TOLERANCE,
        versions={"catboost": catboost.__version__},
        exact=partial(trees.exact, contract),
        splits=trees.splits(len(contract.columns)),
    )


def _load(path: Path) -> catboost.CatBoost:
    model = catboost.CatBoost()
    try:
        if path.suffix == ".json":
            _check(path)
        model.load_model(str(path), format="json" if path.suffix == ".json" else "cbm")
        _loss(_dumped(model))
    except (catboost.CatBoostError, LookupError, TypeError, ValueError, *JSON_ERRORS) as error:
        first = str(error).strip().splitlines()[0]
        message = (
            f"{path} is no model of CatBoost as cbm or JSON ({first}): "
            "write it with save_model('model.cbm')"
        )
        raise ExperimentError(message) from error
    return model


def _check(path: Path) -> None:
    """Raise ValueError where the text of a model is not whole, or leads out of itself."""
    content = path.read_bytes()
    _refuse_categories(path, msgspec.json.decode(content))
    whole = msgspec.json.decode(content, type=_Whole)
    features = whole.features_info.float_features
    every = set(range(len(features)))
    if every != {f.feature_index for f in features} or every != {
        f.flat_feature_index for f in features
    }:
        _refuse(f"feature_index and flat_feature_index are not 0 to {len(features) - 1}, each once")
    if not whole.oblivious_trees and not whole.trees:
        _refuse("it has no oblivious_trees and no trees")
    sums = len(whole.scale_and_bias[1])
    for number, tree in enumerate(whole.oblivious_trees):
        count = 2 ** len(tree.splits) * sums
        if not count or len(tree.leaf_values) != count:
            _refuse(f"tree {number} has {len(tree.leaf_values)} leaf_values, expected {count}")
        for split in tree.splits:
            _check_split(split, features)
    for node in whole.trees:
        _check_node(node, features, sums)


def _check_node(node: _Node, features: list[_Feature], sums: int) -> None:
    if node.split and node.left and node.right:
        _check_split(node.split, features)
        for child in (node.left, node.right):
            _check_node(child, features, sums)
    elif node.split or node.left or node.right:
        _refuse("a node of a tree lacks its split, left or right")
    elif (len(node.value) if isinstance(node.value, list) else 1) != sums:
        _refuse(f"a leaf of a tree has not {sums} values")


def _check_split(split: _Split, features: list[_Feature]) -> None:
    if not 0 <= split.float_feature_index < len(features):
        _refuse(f"float_feature_index {split.float_feature_index} is not below {len(features)}")


def _refuse(wrong: str) -> None:
    raise ValueError(wrong)


def _dumped(model: catboost.CatBoost) -> Dump:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        found: Dump = json.loads(path.read_text())
    return found


def _loss(dump: Dump) -> str:
    """Return the name of the loss function; older releases wrote parameters as JSON in a text."""
    parameters = dump["model_info"]["params"]
    found = ast.literal_eval(parameters) if isinstance(parameters, str) else parameters
    return str(found["loss_function"]["type"])


def _refuse_categories(path: Path, dump: Dump) -> None:
    features = dump["features_info"]
    others = [kind for kind in features if kind != "float_features" and features[kind]]
    if others:
        message = (
            f"{path} has {', '.join(others)}, which are not supported: fit it on the codes of "
            "categories, without cat_features"
        )
        raise ExperimentError(message)


def _forests(dump: Dump, order: list[int]) -> list[Forest]:
    scale, biases = dump["scale_and_bias"]
    features = {each["feature_index"]: each for each in dump["features_info"]["float_features"]}
    forests = [Forest([], float(bias)) for bias in biases]
    for shape, leaves in map(_unfolded, dump.get("oblivious_trees") or dump.get("trees") or []):
        missing = [features[each]["nan_value_treatment"] == "AsFalse" for each in shape.features]
        places = [order[features[each]["flat_feature_index"]] for each in shape.features]
        for number, forest in enumerate(forests):
            own = [scale * leaf[number] for leaf in leaves]
            tree = Tree(places, shape.thresholds, shape.left, shape.right, own, missing)
            forest.trees.append(tree)
    return forests


def _unfolded(dump: Dump) -> tuple[Tree, list[list[float]]]:
    """Return a tree without leaves, and what its leaves add to each of the sums."""
    if "leaf_values" in dump:
        count = 2 ** len(dump["splits"])
        values = np.array(dump["leaf_values"], np.float64).reshape(count, -1)
        return catboost_tree({**dump, "leaf_values": [0.0] * count}, 1), values.tolist()
    tree = Tree()
    leaves: list[list[float]] = []
    _add(tree, leaves, dump)
    return tree, leaves


def _add(tree: Tree, leaves: list[list[float]], node: Dump) -> int:
    """Append a node of a tree that is not oblivious, with all below it, and return its number."""
    if "split" not in node:
        value = node["value"]
        leaves.append(value if isinstance(value, list) else [value])
        return ~(len(leaves) - 1)
    number = len(tree.features)
    tree.features.append(node["split"]["float_feature_index"])
    tree.thresholds.append(np.float32(node["split"]["border"]))
    for children in (tree.left, tree.right):
        children.append(0)
    tree.left[number] = _add(tree, leaves, node["left"])
    tree.right[number] = _add(tree, leaves, node["right"])
    return number


def _native(
    model: catboost.CatBoost, link: Link | None, order: list[int], contract: Contract, rows: Rows
) -> Answer:
    kind = {None: "Probability", "exp": "Exponent"}.get(link, "RawFormulaVal")
    found = model.predict(rows[:, order], prediction_type=kind, thread_count=1)
    found = np.asarray(found, np.float64)
    return of_probabilities(found) if contract.target.classes else of_numbers(contract, found)
