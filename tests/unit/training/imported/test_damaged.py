"""Files of models that are damaged: each refused in a sentence, and none ends the process."""

import re
from pathlib import Path

import lightgbm
import pytest

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
    (r"threshold=.*", "", "0 of threshold, expected 5"),
    (r"leaf_value=\S+", "leaf_value=x", "could not convert"),
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
