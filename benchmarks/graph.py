"""Measures the fused graph beside what it replaces: three sessions, and the libraries themselves.

A stack is fitted as training does it. Each round asks every way in turn for the same rows, one
thread each, and the ratios are of medians of one run.

- fused: one session, from raw columns to the answer and its interval.
- three sessions: the feature graph, then one session for each booster; sums and interval in NumPy.
- native: the feature graph, then the three libraries; sums and interval in NumPy.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from spox import Tensor, argument, build

from predictor import graph
from predictor.training import dataset, evaluation, pipeline
from predictor.training.ensemble import intervals
from predictor.training.ensemble.boosters import Booster
from predictor.training.evaluation import Problem
from predictor.training.features import Features, computer
from predictor.training.fuse import fuse, sum_of_leaves
from predictor.training.tracks import TRACKS

Rows = NDArray[np.float64]
Way = Callable[[Rows], intervals.Answers]

SIZES = (1, 1_000)
ROUNDS = 30
# How often a way is asked in a round: as long for one row as for a thousand.
RUNS = {1: 200, 1_000: 5}
AGREE_KWH = 1e-3


def main() -> None:
    """Print the medians of every way and size, and their ratios to the fused graph."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--track", choices=TRACKS, default="anchored")
    track = TRACKS[parser.parse_args().track]
    data = dataset.load(track.contract)
    problem = pipeline.problem_of(data, track)
    ways, sizes = made(problem)
    print(f"track {track.name}: {sizes}")
    print(f"{'way':<16}{'rows':>6}{'median, µs':>12}{'least, µs':>12}{'÷ fused':>9}")
    for count in SIZES:
        rows = data.columns[np.random.default_rng(0).choice(len(data.target), count)]
        expected = ways["fused"](rows).values
        for way in ways.values():
            assert np.abs(way(rows).values - expected).max() < AGREE_KWH  # noqa: S101 - the same
        found = interleaved(ways, rows)
        for name, times in found.items():
            median = statistics.median(times)
            ratio = median / statistics.median(found["fused"])
            print(f"{name:<16}{count:>6}{median:>12.1f}{min(times):>12.1f}{ratio:>9.2f}")


def interleaved(
    ways: Mapping[str, Callable[[Rows], object]], rows: Rows, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Return the microseconds of a call by each way, one figure a round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    runs = RUNS[len(rows)]
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            for _ in range(runs):
                way(rows)
            found[name].append((time.perf_counter() - started) / runs * 1e6)
    return found


def made(problem: Problem) -> tuple[dict[str, Way], str]:
    """Return the ways to an answer, and a word on the graph's size."""
    fitted, calibration = evaluation.fit(problem, 42, lambda _: None)
    model = fuse(fitted.forest, calibration, problem.track).SerializeToString()
    started = time.perf_counter()
    session = graph.load(model)
    loaded = time.perf_counter() - started
    track = problem.track
    features = computer(track.features, track.contract)
    boosters = {name: booster_session(problem, b) for name, b in fitted.boosters.items()}

    def fused(rows: Rows) -> intervals.Answers:
        return intervals.Answers(*graph.predict(session, track.contract, rows)[:3])

    def apart(place: Callable[[Features], Rows]) -> Way:
        def way(rows: Rows) -> intervals.Answers:
            found = features(rows)
            return intervals.answer(found, track.group_codes(rows), place(found), calibration)

        return way

    def three(found: Features) -> Rows:
        total = np.zeros(len(found.matrix))
        for name, booster in boosters.items():
            total += fitted.weights[name] * booster(found)
        return total

    trees = {name: len(booster.forest.trees) for name, booster in fitted.boosters.items()}
    ways: dict[str, Way] = {
        "fused": fused,
        "three sessions": apart(three),
        "native": apart(lambda found: fitted.predict(found.matrix)),
    }
    return ways, f"{trees}, {len(model) / 1e3:.0f} kB, loaded in {loaded * 1e3:.1f} ms"


def booster_session(problem: Problem, booster: Booster) -> Callable[[Features], Rows]:
    """Return what one booster says, by a session of its own."""
    matrix = argument(Tensor(np.float32, ("n", problem.found.matrix.shape[1])))
    model = build({"matrix": matrix}, {"sum": sum_of_leaves(matrix, booster.forest)})
    session = graph.load(model.SerializeToString())

    def run(found: Features) -> Rows:
        total: Rows = session.run(["sum"], {"matrix": found.matrix})[0][:, 0]
        return total + booster.forest.bias

    return run


if __name__ == "__main__":
    main()
