"""Is a candidate as good as what is served? What decides, and what does not, is in decision 17."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor import graph
from predictor.bundle import Bundle, Manifest
from predictor.training import evaluation, pipeline, split
from predictor.training.dataset import Dataset
from predictor.training.evaluation import RANDOM, STACK
from predictor.training.split import FEWEST_ROWS
from predictor.training.tracks import Track

NEWEST, OLDER = "newest rows", f"{RANDOM} of the older rows"


@dataclass(frozen=True)
class Judged:
    """Both errors (RMSE, in the target's unit) by one protocol, and on how many of the data's rows.

    `is_same` is false where the served error is the one that its training wrote down, on data that
    were others.
    """

    protocol: str
    served: float
    candidate: float
    rows: int
    is_same: bool

    def is_worse(self, tolerance: float) -> bool:
        """Whether the candidate's error is larger by more than a share of the served one's."""
        return not self.candidate <= self.served * (1 + tolerance)

    def sentence(self, unit: str) -> str:
        """Return the errors in words."""
        data = "" if self.is_same else ", which was on other data"
        served = f"the served {self.served:.4g} {unit}{data}"
        return f"{self.protocol}: RMSE {self.candidate:.4g} {unit}, {served}"


def compare(dataset: Dataset, track: Track, served: Bundle, candidate: Manifest) -> list[Judged]:
    """Return how the candidate, trained on a dataset, and the served bundle compare."""
    fresh = _fresh(dataset, served.manifest)
    if fresh.sum() >= 2 * FEWEST_ROWS and (~fresh).sum() >= FEWEST_ROWS:
        return _by_trial(dataset, track, served, fresh)
    return _by_manifests(served.manifest, candidate)


def refusal(judged: list[Judged], tolerance: float, unit: str) -> str:
    """Return in a sentence why the candidate is refused, or nothing."""
    worse = [each.sentence(unit) for each in judged if each.is_worse(tolerance)]
    if not judged:
        return "the candidate is refused: no protocol has judged both it and the served bundle"
    return f"the candidate is worse by more than {tolerance:.0%}: {'; '.join(worse)}" * bool(worse)


def _fresh(dataset: Dataset, served: Manifest) -> NDArray[np.bool_]:
    """Return which rows are of days after all that the served model was fitted on, (n,)."""
    if dataset.days is None or served.data.last_day is None:
        return np.zeros(len(dataset.target), np.bool_)
    return np.asarray(dataset.days > np.datetime64(served.data.last_day))


def _by_trial(
    dataset: Dataset, track: Track, served: Bundle, fresh: NDArray[np.bool_]
) -> list[Judged]:
    """Judge a model that is fitted as the candidate was, but for the rows that it is judged by.

    Those are the later half of the fresh rows, which the served model itself predicts too, and of
    the older rows those that the served bundle's own protocol kept for a test.
    """
    manifest = served.manifest
    new, old = np.flatnonzero(fresh), np.flatnonzero(~fresh)
    newest = new[len(new) // 2 :]
    older = old[split.at_random(len(old), manifest.seed)[1]]
    tested = np.concatenate([older, newest])
    fitted = np.setdiff1d(np.arange(len(fresh)), tested)
    problem = pipeline.problem_of(dataset, track)
    answers = evaluation.evaluate(
        problem, [(fitted, tested)], manifest.seed, lambda _: None
    ).answers
    errors = answers.values - dataset.target[tested]
    known = graph.predict(graph.load(served.model), track.contract, dataset.columns[newest])[0]
    noted = manifest.scores[RANDOM][STACK]
    is_same = manifest.data.rows == len(old)
    return [
        Judged(
            NEWEST,
            _rmse(known - dataset.target[newest]),
            _rmse(errors[len(older) :]),
            len(newest),
            is_same=True,
        ),
        Judged(OLDER, noted.rmse, _rmse(errors[: len(older)]), len(older), is_same=is_same),
    ]


def _by_manifests(served: Manifest, candidate: Manifest) -> list[Judged]:
    """Compare what both trainings wrote down, by the protocols that both have."""
    is_same = (served.data.sha256, served.seed) == (candidate.data.sha256, candidate.seed)
    return [
        Judged(
            name, served.scores[name][STACK].rmse, scores[STACK].rmse, scores[STACK].rows, is_same
        )
        for name, scores in candidate.scores.items()
        if name in served.scores
    ]


def _rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))
