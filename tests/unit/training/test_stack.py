import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.errors import DataError
from predictor.training import stack
from predictor.training.boosters import FITTERS, Booster, Sample
from predictor.training.forest import Forest


def weights(predictions: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return stack.linear_weights(predictions, target, np.ones(len(target)))


def test_boosters_that_say_the_same_share_alike(generator: np.random.Generator) -> None:
    target = generator.normal(size=500)
    np.testing.assert_allclose(weights(np.column_stack([target] * 3), target), 1 / 3)


def test_a_booster_that_is_right_outweighs_noise(generator: np.random.Generator) -> None:
    target = generator.normal(size=2000)
    right, noise, more_noise = weights(
        np.column_stack([target, generator.normal(size=(2000, 2))]), target
    )
    assert right > 0.9
    assert abs(noise) < 0.1
    assert abs(more_noise) < 0.1


def test_a_row_without_weight_has_no_say(generator: np.random.Generator) -> None:
    predictions, target = generator.normal(size=(100, 3)), generator.normal(size=100)
    weight = np.concatenate([np.ones(50), np.zeros(50)])
    np.testing.assert_allclose(
        stack.linear_weights(predictions, target, weight), weights(predictions[:50], target[:50])
    )


def test_the_weights_rest_on_rows_that_the_boosters_had_not_seen(
    generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 60
    matrix = np.arange(rows, dtype=np.float32)[:, None]
    sample = Sample(matrix, generator.normal(size=rows), np.ones(rows))
    asked: list[tuple[set[float], set[float]]] = []

    def fitter(part: Sample, _trees: int, _seed: int) -> Booster:
        seen = set(part.matrix[:, 0].tolist())

        def predict(held_out: NDArray[np.float32]) -> NDArray[np.float64]:
            asked.append((seen, set(held_out[:, 0].tolist())))
            return np.ones(len(held_out))

        return Booster(Forest([]), predict)

    monkeypatch.setitem(FITTERS, "xgboost", fitter)
    stack.fit(sample, 2, 0, lambda _: None)
    assert len(asked) == stack.FOLDS
    assert all(not seen & held_out for seen, held_out in asked)
    assert set.union(*(held_out for _, held_out in asked)) == set(range(rows))


def test_data_that_a_library_refuses_are_named_with_it(generator: np.random.Generator) -> None:
    constant = np.ones(100)  # which CatBoost alone does not take
    sample = Sample(generator.normal(size=(100, 2)).astype(np.float32), constant, constant)
    with pytest.raises(DataError, match="catboost cannot be fitted on these data"):
        stack.fit(sample, 2, 0, lambda _: None)


def test_every_fit_is_a_step(generator: np.random.Generator) -> None:
    sample = Sample(
        generator.normal(size=(100, 2)).astype(np.float32),
        generator.normal(size=100),
        np.ones(100),
    )
    seen: list[str] = []
    stack.fit(sample, 2, 0, seen.append)
    assert len(seen) == stack.STEPS
    assert seen[0] == "fold 1/5, xgboost"
