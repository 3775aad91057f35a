import pytest

from predictor.conformance.values import elements, fits, nested, same


@pytest.mark.parametrize(
    ("found", "expected", "answer"),
    [
        ([1.0, 2.0], [[1.0], [2.0]], True),
        ([1.0 + 1e-9], [1], True),
        ([1.001], [1.0], False),
        ([1.0], [1.0, 2.0], False),
        (["a"], ["a"], True),
        ([1.0], ["a"], False),
        ([True, False], [1, 0], True),
    ],
)
def test_data_are_the_same_whatever_their_form(
    found: list[object], expected: list[object], answer: object
) -> None:
    assert same(found, expected) is answer


@pytest.mark.parametrize(
    ("datatype", "good", "bad"),
    [
        ("BOOL", True, 1),
        ("BYTES", "a", 1),
        ("FP16", 0.5, "0.5"),
        ("FP16", -65504, 65505),
        ("FP32", 3.4e38, 3.5e38),
        ("FP64", 1, True),
        ("INT8", -128, 128),
        ("INT64", 2**63 - 1, 0.5),
        ("UINT8", 255, -1),
        ("UINT64", 2**64 - 1, 2**64),
    ],
)
def test_a_datatype_has_its_own_values(datatype: str, good: object, bad: object) -> None:
    assert fits(datatype, [good])
    assert not fits(datatype, [good, bad])


def test_data_of_any_depth_are_flattened() -> None:
    deep: list[object] = [1]
    for _ in range(100_000):
        deep = [deep]
    assert list(elements([deep, [], [2, [3]]])) == [1, 2, 3]


def test_flat_data_are_nested_as_a_shape_says() -> None:
    assert nested([1, 2, 3, 4, 5, 6], [3, 2]) == [[1, 2], [3, 4], [5, 6]]
    assert nested([1, 2, 3, 4], [2, 1, 2]) == [[[1, 2]], [[3, 4]]]
    assert nested([1, 2], [2]) == [1, 2]
