from pathlib import Path

import pytest

from predictor import bundle
from predictor.conformance import sample
from predictor.errors import SettingsError


def test_a_bundles_golden_rows_are_a_sample_for_both_protocols(bundle_folder: Path) -> None:
    read = bundle.read(bundle_folder)
    found = sample.of_bundle(read)
    assert found.instances == read.manifest.golden.rows[: sample.ROWS]
    assert found.inputs is not None
    datatypes = {tensor.name: tensor.datatype for tensor in found.inputs}
    assert datatypes == {c.name: c.datatype for c in read.manifest.contract.columns}
    assert {len(tensor.flat) for tensor in found.inputs} == {sample.ROWS}


def test_a_sample_may_be_for_one_protocol_alone(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text(
        '{"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [[1], [2.5]]}]}'
    )
    found = sample.read(path)
    assert found.instances is None
    assert found.inputs is not None
    assert found.inputs[0].flat == [1, 2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "has no sample of instances or inputs: Input data was truncated"),
        ('{"rows": []}', "unknown field `rows`"),
        ('{"instances": []}', "length >= 1"),
        ('{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [300]}]}', "INT8"),
        ('{"inputs": [{"name": "x", "shape": [1], "datatype": "FP8", "data": [1]}]}', "FP8"),
        (
            '{"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1]}]}',
            r"input x: 1 elements are not of shape \[2\]",
        ),
        ('{"inputs": [{"name": "x", "shape": [0], "datatype": "FP64", "data": []}]}', "0 elements"),
    ],
)
def test_a_sample_that_is_not_valid_is_one_sentence(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        sample.read(path)


def test_a_sample_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        sample.read(tmp_path / "none.json")
