import numpy as np

from predictor.training.split import at_random, by_time, folds


def test_a_random_split_keeps_a_fifth_and_repeats_for_its_seed() -> None:
    fitted, tested = at_random(1000, 1)
    assert len(tested) == 200
    np.testing.assert_array_equal(np.sort(np.concatenate([fitted, tested])), np.arange(1000))
    np.testing.assert_array_equal(tested, at_random(1000, 1)[1])
    assert not np.array_equal(tested, at_random(1000, 2)[1])


def test_a_split_by_time_keeps_the_last_fifth() -> None:
    fitted, tested = by_time(1000)
    assert (fitted[-1], tested[0], tested[-1]) == (799, 800, 999)


def test_folds_hold_out_every_row_once_and_never_fit_on_it() -> None:
    held_out = []
    for fitted, part in folds(103, 5, 0):
        assert not np.intersect1d(fitted, part).size
        assert len(fitted) + len(part) == 103
        held_out.append(part)
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.arange(103))
