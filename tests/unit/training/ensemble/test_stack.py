import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.errors import DataError
from predictor.training.ensemble import stack
from predictor.training.ensemble.boosters import FITTERS, Booster, Parameters, Recipe, Sample
from predictor.training.ensemble.forest import Forest

RECIPES = {name: Recipe({}, (2,)) for name in FITTERS}


def weights(predictions: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return stack.linear_weights(predictions, target, np.ones(len(target)), shrinkage=0.1)


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


def test_without_a_limit_to_the_shrinkage_the_weights_are_the_mean(
    generator: np.random.Generator,
) -> None:
    predictions, target = generator.normal(size=(100, 4)), generator.normal(size=100)
    found = stack.linear_weights(predictions, target, np.ones(100), shrinkage=np.inf)
    np.testing.assert_allclose(found, 1 / 4)


def test_weights_leave_the_mean_only_for_what_the_folds_can_tell(
    generator: np.random.Generator,
) -> None:
    rows = 2000
    target = generator.normal(size=rows)
    sample = Sample(np.empty((rows, 0), np.float32), target, np.ones(rows))
    alike = target[:, None] + 0.1 * generator.normal(size=(rows, 3))
    np.testing.assert_allclose(stack._weights(alike, sample, 0), 1 / 3, atol=0.002)
    unlike = target[:, None] + generator.normal(size=(rows, 3)) * [0.01, 1, 1]
    assert stack._weights(unlike, sample, 0)[0] > 0.9


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([[3, 2, 1], [3, 2, 1]], 2),
        ([[3, 1, 1], [3, 1, 1]], 1),
        ([[1.0, 1.2, 1.1], [9.0, 9.1, 8.9], [5.0, 4.6, 4.7]], 0),
        ([[101, 1, 1], [202, 102, 102], [303, 203, 203.5]], 1),
        ([[1], [2]], 0),
    ],
)
def test_the_least_size_is_taken_that_the_folds_do_not_tell_from_the_best(
    errors: list[list[float]], chosen: int
) -> None:
    assert stack.one_standard_error(np.array(errors, np.float64)) == chosen


def test_sizes_are_chosen_and_their_errors_kept(generator: np.random.Generator) -> None:
    matrix = generator.normal(size=(600, 3)).astype(np.float32)
    sample = Sample(matrix, np.sin(3 * matrix[:, 0]).astype(np.float64), np.ones(600))
    recipes = {
        "xgboost": Recipe({"learning_rate": 0.3}, (1, 3, 60)),
        "lightgbm": Recipe({"learning_rate": 0.3}, (1, 3, 60)),
        "catboost": Recipe({"learning_rate": 0.3}, (1, 3, 60)),
    }
    found = stack.fit(sample, recipes, 0, lambda _: None)
    for name, booster in found.boosters.items():
        assert len(booster.forest.trees) == 60
        first, second, third = found.errors[name].values()
        assert first > second > third > 0
    assert np.mean((found.unseen - sample.target) ** 2) < 0.01


def test_a_row_without_weight_has_no_say(generator: np.random.Generator) -> None:
    predictions, target = generator.normal(size=(100, 3)), generator.normal(size=100)
    weight = np.concatenate([np.ones(50), np.zeros(50)])
    np.testing.assert_allclose(
        stack.linear_weights(predictions, target, weight, 0.1),
        weights(predictions[:50], target[:50]),
    )


def test_the_weights_rest_on_rows_that_the_boosters_had_not_seen(
    generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 60
    matrix = np.arange(rows, dtype=np.float32)[:, None]
    sample = Sample(matrix, generator.normal(size=rows), np.ones(rows))
    asked: list[tuple[set[float], set[float]]] = []

    def fitter(part: Sample, _parameters: Parameters, _trees: int, _seed: int) -> Booster:
        seen = set(part.matrix[:, 0].tolist())

        def predict(held_out: NDArray[np.float32], _trees: int) -> NDArray[np.float64]:
            asked.append((seen, set(held_out[:, 0].tolist())))
            return np.ones(len(held_out))

        return Booster(Forest([]), predict, np.zeros_like)

    monkeypatch.setitem(FITTERS, "xgboost", fitter)
    stack.fit(sample, RECIPES, 0, lambda _: None)
    assert len(asked) == stack.FOLDS
    assert all(not seen & held_out for seen, held_out in asked)
    assert set.union(*(held_out for _, held_out in asked)) == set(range(rows))


def test_data_that_a_library_refuses_are_named_with_it(generator: np.random.Generator) -> None:
    constant = np.ones(100)  # which CatBoost alone does not take
    sample = Sample(generator.normal(size=(100, 2)).astype(np.float32), constant, constant)
    with pytest.raises(DataError, match="catboost cannot be fitted on these data"):
        stack.fit(sample, RECIPES, 0, lambda _: None)


def test_every_fit_is_a_step(generator: np.random.Generator) -> None:
    sample = Sample(
        generator.normal(size=(100, 2)).astype(np.float32),
        generator.normal(size=100),
        np.ones(100),
    )
    seen: list[str] = []
    stack.fit(sample, RECIPES, 0, seen.append)
    assert len(seen) == stack.STEPS
    assert seen[0] == "fold 1/5, xgboost"
