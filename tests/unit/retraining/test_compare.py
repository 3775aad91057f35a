"""What decides whether a candidate takes the place of what is served."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from predictor import bundle
from predictor.bundle import Bundle, Data, Manifest
from predictor.errors import BundleError
from predictor.retraining import compare, publish
from predictor.retraining.compare import NEWEST, OLDER, Judged
from predictor.training import pipeline
from predictor.training.dataset import Dataset
from predictor.training.pipeline import Trained
from predictor.training.tracks import ANCHORED
from tests.bundles import another_version
from tests.conftest import small
from tests.keys import key_pair
from tests.plant import ROWS


@pytest.fixture
def folder(served: Trained, tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    bundle.write(target, served.manifest, served.files)
    return target


@pytest.fixture
def now(dataset: Dataset) -> Dataset:
    return dataset.take(np.arange(ROWS))


def judged(folder: Path, dataset: Dataset, sizes: int) -> dict[str, Judged]:
    found = compare.compare(dataset, small(ANCHORED, sizes), bundle.read(folder), manifest(folder))
    return {each.protocol: each for each in found}


def manifest(folder: Path) -> Manifest:
    return bundle.read(folder).manifest


def test_the_day_of_the_last_row_is_kept(served: Trained) -> None:
    assert served.manifest.data.last_day == "2018-01-09"


def test_a_model_of_more_trees_is_better_on_days_that_the_served_one_never_saw(
    folder: Path, now: Dataset
) -> None:
    found = judged(folder, now, 40)
    assert list(found) == [NEWEST, OLDER]
    assert found[NEWEST].candidate < found[NEWEST].served
    assert found[NEWEST].rows == 168  # half of the days after 9 January
    assert found[OLDER].candidate < found[OLDER].served
    assert compare.refusal(list(found.values()), 0.05, "kWh") == ""


def test_what_is_learned_from_wrong_measurements_is_worse_on_older_rows(
    folder: Path, now: Dataset
) -> None:
    target = now.target.copy()
    target[::2] = np.random.default_rng(7).permutation(target[::2])
    found = judged(folder, replace(now, target=target), 3)
    assert found[OLDER].is_worse(0.05)


def test_without_new_days_what_both_trainings_wrote_down_is_compared(
    folder: Path, dataset: Dataset, served: Trained
) -> None:
    known = dataset.take(np.arange(800))
    shuffled = replace(known, target=np.random.default_rng(7).permutation(known.target))
    worse = pipeline.train(shuffled, pipeline.Plan(small(ANCHORED, 3), 42), lambda _: None)
    found = compare.compare(shuffled, ANCHORED, bundle.read(folder), worse.manifest)
    assert {each.protocol for each in found} == served.manifest.scores.keys()
    said = compare.refusal(found, 0.05, "kWh")
    assert said.startswith("the candidate is worse by more than 5%: random 80/20: RMSE ")
    same = compare.compare(known, ANCHORED, bundle.read(folder), served.manifest)
    assert all(each.is_same and each.served == each.candidate for each in same)
    assert compare.refusal(same, 0.0, "kWh") == ""


def test_a_bundle_that_does_not_say_its_last_day_has_no_rows_that_it_never_saw(
    folder: Path, now: Dataset, served: Trained
) -> None:
    old = msgspec.structs.replace(served.manifest, data=Data("a.csv", "0" * 64, 800))
    found = compare.compare(now, ANCHORED, Bundle(folder, old, b""), served.manifest)
    assert {each.protocol for each in found} == served.manifest.scores.keys()
    assert not any(each.is_same for each in found)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (1.04, ""),
        (1.05, ""),
        (1.06, "5-fold: RMSE 1.06 kWh, the served 1 kWh"),
        (float("nan"), "5-fold: RMSE nan kWh, the served 1 kWh"),
    ],
)
def test_a_candidate_may_be_worse_by_the_tolerance_and_no_more(candidate: float, said: str) -> None:
    found = compare.refusal([Judged("5-fold", 1.0, candidate, 100, is_same=True)], 0.05, "kWh")
    assert found == (f"the candidate is worse by more than 5%: {said}" if said else "")


def test_what_nothing_has_judged_is_refused() -> None:
    assert "no protocol has judged" in compare.refusal([], 0.05, "kWh")


def test_a_candidate_is_published_signed(folder: Path, served: Trained, tmp_path: Path) -> None:
    private, _ = key_pair(tmp_path)
    candidate = another_version(served, 1)
    publish.publish(folder, candidate, served.manifest, private)
    assert manifest(folder) == candidate.manifest
    assert (folder / bundle.SIGNATURE).is_file()


def test_what_somebody_else_published_meanwhile_stays(folder: Path, served: Trained) -> None:
    other = another_version(served, 2)
    bundle.write(folder, other.manifest, other.files)
    with pytest.raises(BundleError, match="by now, but the candidate was compared with"):
        publish.publish(folder, another_version(served, 1), served.manifest, None)
    assert manifest(folder) == other.manifest
