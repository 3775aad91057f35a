"""Files of models that are damaged: each refused in a sentence, and none ends the process."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import pytest
import xgboost

from predictor.errors import ExperimentError
from predictor.training import imported
from tests.unit.training.imported.conftest import TASKS, Make


def lightgbm_text(path: Path) -> str:
    task = TASKS["regression"]
    rows = lightgbm.Dataset(task.frame, task.target)
    model = lightgbm.train({"verbose": -1, "num_leaves": 6}, rows, 4)
    model.save_model(path)
    return path.read_text()


def sized(text: str) -> str:
    """Make tree_sizes right again, so that only what was changed inside of a tree is wrong."""
    trees = text[text.index("Tree=0") : text.index("end of trees")]
    sizes = " ".join(str(len(tree)) for tree in re.split("(?=Tree=)", trees) if tree)
    return re.sub("tree_sizes=.*", f"tree_sizes={sizes}", text)


LIGHTGBM = [
    (r"left_child=\S+", "left_child=999999", "child 999999 that is no node"),
    (r"left_child=\S+", "left_child=0", "child 0 that is no node"),
    (r"left_child=\S+ ", "left_child=", "4 of left_child, expected 5"),
    (r"split_feature=\S+", "split_feature=999999", "split_feature outside 0 to 7"),
    (r"split_feature=\S+", "split_feature=-1", "split_feature outside 0 to 7"),
    (r"leaf_value=\S+ ", "leaf_value=", "5 of leaf_value, expected 6"),
    (r"threshold=.*\n", "", "0 of threshold, expected 5"),
    (r"leaf_value=\S+", "leaf_value=x", "'x' is no number"),
    (r"leaf_value=\S+", "leaf_value=1_0", "'1_0' is no number"),
    (r"split_gain=", "split_gain", "tree 0 has a line without ="),
    (r"(feature_infos=\S+):", r"\1", "feature_infos are not a range"),
    (r"objective=.*", "objective=", "objective is empty"),
    (r"num_cat=0\n", "", "num_cat is missing"),
    (r"num_leaves=6", "num_leaves=99999999", "of split_feature, expected 99999998"),
    (r"max_feature_idx=7", "max_feature_idx=99", "feature_names are not"),
    (r"num_class=1\n", "", "num_class is missing"),
    (r"num_class=1", "num_class=5", "num_class is not num_tree_per_iteration"),
    (r"num_tree_per_iteration=1", "num_tree_per_iteration=3", "3 where there are 4 trees"),
    (r"Tree=1", "Tree=7", "does not lead to Tree=1"),
]


@pytest.mark.parametrize(("found", "put", "said"), LIGHTGBM)
def test_a_lightgbm_text_that_contradicts_itself_is_refused(
    found: str, put: str, said: str, tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "model.txt"
    path.write_text(sized(re.sub(found, put, lightgbm_text(path), count=1)))
    with pytest.raises(ExperimentError, match=rf"{re.escape(said)}.*: write it with booster"):
        imported.bundle_of(make(TASKS["regression"], "lightgbm", "model.txt"), tmp_path)


def test_a_cycle_beside_the_tree_is_refused(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "model.txt"
    text = re.sub("left_child=.*", "left_child=-1 2 1 -4 -5", lightgbm_text(path), count=1)
    path.write_text(sized(re.sub("right_child=.*", "right_child=-2 -3 3 4 -6", text, count=1)))
    with pytest.raises(ExperimentError, match="nodes that its root does not lead to"):
        imported.bundle_of(make(TASKS["regression"], "lightgbm", "model.txt"), tmp_path)


@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.5, 0.9])
def test_half_a_lightgbm_text_is_refused(share: float, tmp_path: Path, make: Make) -> None:
    path = tmp_path / "model.txt"
    text = lightgbm_text(path)
    path.write_text(text[: int(text.index("end of trees") * share)])
    with pytest.raises(ExperimentError, match="no model of LightGBM in its text form"):
        imported.bundle_of(make(TASKS["regression"], "lightgbm", "model.txt"), tmp_path)


def changed(path: Path, change: Callable[[Any], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def catboost_json(path: Path, **given: object) -> str:
    task = TASKS["regression"]
    plain = {"iterations": 3, "depth": 3, "silent": True, "allow_writing_files": False}
    model = catboost.CatBoostRegressor(**plain, **given).fit(task.frame, task.target)
    model.save_model(str(path), format="json")
    return path.read_text()


CATBOOST = [
    (lambda d: d.pop("scale_and_bias"), "missing required field `scale_and_bias`"),
    (lambda d: d.pop("features_info"), "features_info"),
    (lambda d: d.pop("oblivious_trees"), "no oblivious_trees and no trees"),
    (lambda d: d.pop("model_info"), "not subscriptable"),
    (
        lambda d: d["oblivious_trees"][1]["leaf_values"].pop(),
        "tree 1 has 7 leaf_values, expected 8",
    ),
    (
        lambda d: d["oblivious_trees"][0]["splits"][0].update(float_feature_index=99),
        "float_feature_index 99 is not below 8",
    ),
    (
        lambda d: d["features_info"]["float_features"][0].update(flat_feature_index=9999),
        "flat_feature_index are not 0 to 7",
    ),
]


@pytest.mark.parametrize(("change", "said"), CATBOOST)
def test_a_catboost_json_that_contradicts_itself_is_refused(
    change: Callable[[Any], object], said: str, tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "model.json"
    catboost_json(path)
    changed(path, change)
    with pytest.raises(
        ExperimentError, match=rf"no model of CatBoost .*{re.escape(said)}.*: write"
    ):
        imported.bundle_of(make(TASKS["regression"], "catboost", "model.json"), tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree.pop("left"), "lacks its split, left or right"),
        (lambda tree: tree["left"].clear(), "has not 1 values"),
    ],
)
def test_a_catboost_tree_of_nodes_that_lacks_some_is_refused(
    change: Callable[[Any], object], said: str, tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "model.json"
    catboost_json(path, grow_policy="Lossguide")
    changed(path, lambda found: change(found["trees"][0]))
    with pytest.raises(ExperimentError, match=said):
        imported.bundle_of(make(TASKS["regression"], "catboost", "model.json"), tmp_path)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.99])
def test_half_a_catboost_json_is_refused(share: float, tmp_path: Path, make: Make) -> None:
    path = tmp_path / "model.json"
    text = catboost_json(path)
    path.write_text(text[: int(len(text) * share)])
    with pytest.raises(ExperimentError, match="no model of CatBoost"):
        imported.bundle_of(make(TASKS["regression"], "catboost", "model.json"), tmp_path)


@pytest.mark.parametrize(("key", "value"), [("split_indices", 999), ("left_children", 999999)])
def test_an_xgboost_json_that_contradicts_itself_is_refused(
    key: str, value: int, tmp_path: Path, make: Make
) -> None:
    path = tmp_path / "model.json"
    task = TASKS["regression"]
    data = xgboost.DMatrix(task.frame, task.target)
    xgboost.train({"max_depth": 3}, data, 3).save_model(path)
    changed(
        path,
        lambda d: d["learner"]["gradient_booster"]["model"]["trees"][0][key].__setitem__(0, value),
    )
    with pytest.raises(ExperimentError, match=r"model\.json.*(write it|save)"):
        imported.bundle_of(make(task, "xgboost", "model.json"), tmp_path)
