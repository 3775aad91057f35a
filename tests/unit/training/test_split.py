import numpy as np
from sklearn.model_selection import train_test_split

from predictor.training.split import at_random, by_time, folds, rolling


def test_a_random_split_keeps_a_fifth_and_repeats_for_its_seed() -> None:
    fitted, tested = at_random(1000, 1)
    assert len(tested) == 200
    np.testing.assert_array_equal(np.sort(np.concatenate([fitted, tested])), np.arange(1000))
    np.testing.assert_array_equal(tested, at_random(1000, 1)[1])
    assert not np.array_equal(tested, at_random(1000, 2)[1])


def test_a_random_split_is_the_one_of_scikit_learn() -> None:
    fitted, tested = train_test_split(np.arange(1003), test_size=0.2, random_state=42)
    for ours, theirs in zip(at_random(1003, 42), (fitted, tested), strict=True):
        np.testing.assert_array_equal(ours, np.sort(theirs))


def test_windows_roll_over_two_months_at_a_time() -> None:
    days = np.repeat(np.arange("2018-01", "2019-01", dtype="datetime64[D]"), 4)
    splits = rolling(days)
    assert len(splits) == 5
    for number, (fitted, tested) in enumerate(splits):
        months = [
            set((days[rows].astype("datetime64[M]").astype(int) % 12).tolist())
            for rows in (fitted, tested)
        ]
        assert months == [{2 * number, 2 * number + 1}, {2 * number + 2, 2 * number + 3}]


def test_a_window_with_too_few_rows_is_left_out() -> None:
    days = np.repeat(np.arange("2018-01", "2018-07", dtype="datetime64[D]"), 4)
    gap = days[(days < np.datetime64("2018-03")) | (days >= np.datetime64("2018-05"))]
    assert rolling(gap) == []
    assert len(rolling(days)) == 2


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
