"""The text of a LightGBM file, checked before LightGBM reads it.

LightGBM follows the numbers of a text wherever they lead: what is damaged ends the whole process.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from predictor.errors import ExperimentError

PLACES = ("split_feature", "left_child", "right_child")
# By node, and by leaf. The first of each are needed; LightGBM predicts without the others.
NODES = (*PLACES, "threshold", "decision_type")
MORE_NODES = ("split_gain", "internal_value", "internal_weight", "internal_count")
MORE_LEAVES = ("leaf_weight", "leaf_count")
END = b"end of trees\n"
# As LightGBM reads one: Python takes 1_0 too.
NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|[-+]?(inf|nan)", re.ASCII)
INFO = re.compile(rf"none|\[({NUMBER.pattern}):({NUMBER.pattern})\]|-?\d+(:-?\d+)*", re.ASCII)
WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)
CATEGORICAL = 1  # the bit of decision_type
# What follows nodes down calls itself.
MOST_DEPTH = 500

Fields = dict[str, str]


def checked(path: Path) -> str:
    """Return the text of a file; raises ExperimentError where it contradicts itself."""
    content = path.read_bytes()
    try:
        text = content.decode()
        if not text.startswith("tree\n"):
            _refuse("it does not begin with tree")
        _check(path, content)
    except (ValueError, KeyError) as error:
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        message = (
            f"{path} is no model of LightGBM in its text form ({said}): "
            "write it with booster.save_model('model.txt')"
        )
        raise ExperimentError(message) from error
    return text


def _refuse(wrong: str) -> None:
    raise ValueError(wrong)


def _numbers(text: str, form: re.Pattern[str] = NUMBER) -> list[float]:
    tokens = text.split(" ") if text else []
    for token in tokens:
        if not form.fullmatch(token):
            _refuse(f"{token!r} is no number")
    return [float(token) for token in tokens]


def _wholes(text: str) -> list[int]:
    return [int(number) for number in _numbers(text, WHOLE)]


def _whole(text: str) -> int:
    found = _wholes(text)
    if len(found) != 1:
        _refuse(f"{text!r} is not one number")
    return found[0]


def _check(path: Path, content: bytes) -> None:
    start = content.find(b"\n\n") + 2
    if start < len(b"\n\n"):
        _refuse("its head has no end")
    head = _fields(content[:start].splitlines()[1:], "the head")
    features = _whole(head["max_feature_idx"]) + 1
    if len(head["feature_names"].split()) != features:
        _refuse(f"feature_names are not max_feature_idx + 1, {features}")
    if not head.get("objective", "none").strip():
        _refuse("objective is empty")
    infos = head["feature_infos"].split(" ")
    if len(infos) != features or not all(map(INFO.fullmatch, infos)):
        _refuse("feature_infos are not a range in brackets for each feature")
    sizes = _wholes(head["tree_sizes"])
    if min(sizes, default=1) < 1 or not content[start + sum(sizes) :].startswith(END):
        _refuse("after the bytes that tree_sizes counts there is no line end of trees")
    _check_sums(head, len(sizes))
    for number, size in enumerate(sizes):
        first, *lines = content[start : start + size].rstrip(b"\n").split(b"\n")
        if first != b"Tree=%d" % number:
            _refuse(f"tree_sizes does not lead to Tree={number}")
        if any(b"=" not in line for line in lines):
            _refuse(f"tree {number} has a line without =")
        _check_tree(path, _fields(lines, f"tree {number}"), f"tree {number}", features)
        start += size


def _fields(lines: Sequence[bytes], where: str) -> Fields:
    found: Fields = {}
    for line in filter(None, lines):
        key, _, value = line.decode().partition("=")
        if key in found:
            _refuse(f"{where} has {key} twice")
        found[key] = value
    return found


def _check_sums(head: Fields, trees: int) -> None:
    """Compare the number of sums, to which trees add in turn, with the number of classes."""
    sums = _whole(head["num_tree_per_iteration"])
    if sums < 1 or trees % sums:
        _refuse(f"num_tree_per_iteration is {sums} where there are {trees} trees")
    options = dict(option.partition(":")[::2] for option in head.get("objective", "").split()[1:])
    classes = {_whole(head["num_class"]), _whole(options.get("num_class", str(sums)))}
    if classes != {sums}:
        _refuse(f"num_class is not num_tree_per_iteration, {sums}")


def _check_tree(path: Path, tree: Fields, where: str, features: int) -> None:
    leaves = _whole(tree["num_leaves"])
    if tree.get("is_linear") == "1":
        message = (
            f"{path} has linear models in its leaves, which are not supported: fit it with "
            "linear_tree=false"
        )
        raise ExperimentError(message)
    _numbers(tree["shrinkage"])
    if _whole(tree.get("is_linear", "0")) or leaves < 1:
        _refuse(f"{where} has num_leaves {leaves} or another is_linear than 0 and 1")
    lengths = dict.fromkeys(NODES, leaves - 1) | {"leaf_value": leaves}
    more = dict.fromkeys(MORE_NODES, leaves - 1) | dict.fromkeys(MORE_LEAVES, leaves)
    lengths |= {key: count for key, count in more.items() if tree.get(key)}
    arrays = {key: _numbers(tree.get(key, "")) for key in lengths}
    for key, count in lengths.items():
        if len(arrays[key]) != count:
            _refuse(f"{where} has {len(arrays[key])} of {key}, expected {count}")
    nodes = {key: _wholes(tree.get(key, "")) for key in (*PLACES, "decision_type")}
    if _whole(tree["num_cat"]) or any(kind & CATEGORICAL for kind in nodes["decision_type"]):
        message = (
            f"{path} splits by sets of categories, which is not supported: fit it on their codes, "
            "without categorical_feature"
        )
        raise ExperimentError(message)
    if any(not 0 <= feature < features for feature in nodes["split_feature"]):
        _refuse(f"{where} has a split_feature outside 0 to {features - 1}")
    if leaves > 1:
        _check_shape(nodes["left_child"], nodes["right_child"], where)


def _check_shape(left: list[int], right: list[int], where: str) -> None:
    """Go from the root to every node and leaf; leaf i is called ~i."""
    expected = set(range(-len(left) - 1, len(left)))
    reached = {0}
    below = [(0, 1)]
    while below:
        node, depth = below.pop()
        if depth > MOST_DEPTH:
            _refuse(f"{where} is deeper than {MOST_DEPTH} nodes")
        for child in (left[node], right[node]):
            if child in reached or child not in expected:
                _refuse(f"{where} has a child {child} that is no node of its own")
            reached.add(child)
            if child >= 0:
                below.append((child, depth + 1))
    # Two children of each node, none of them reached twice: no more than are expected.
    if reached != expected:
        _refuse(f"{where} has nodes that its root does not lead to")
