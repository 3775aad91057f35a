"""Measures explanations beside the libraries' own, one thread each, interleaved.

- ours: from raw columns to the whole explanation by NumPy, the physics and its shares among it.
- native: the feature graph, then the Shapley values of the three libraries and their weighted sum.
"""

import argparse
import statistics

import numpy as np

from benchmarks.graph import SIZES, Rows, interleaved
from predictor.explanation import Explainer
from predictor.training import dataset, evaluation, pipeline
from predictor.training.explained import graph_of
from predictor.training.features import computer
from predictor.training.tracks import TRACKS


def main() -> None:
    """Print the milliseconds of both ways for one row and for a thousand."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--track", choices=TRACKS, default="anchored")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    track = TRACKS[options.track]
    data = dataset.load(track.contract)
    problem = pipeline.problem_of(data, track)
    fitted, calibration = evaluation.fit(problem, 42, lambda _: None)
    explainer = Explainer(track.contract, graph_of(problem, fitted.forest, calibration))
    compute = computer(track.features, track.contract)

    def native(rows: Rows) -> Rows:
        found = compute(rows)
        return found.half_width[:, None] * fitted.explain(found.matrix)

    ways = {"ours": lambda rows: explainer.explain(rows).contributions, "native": native}
    print(f"track {track.name}: {len(fitted.forest.trees)} trees")
    print("| rows | way | median, ms | least, ms | ÷ ours |\n| --- | --- | --- | --- | --- |")
    for count in SIZES:
        rows = data.columns[np.random.default_rng(0).choice(len(data.target), count)]
        found = interleaved(ways, rows, options.rounds)
        for name, times in found.items():
            median = statistics.median(times)
            ratio = median / statistics.median(found["ours"])
            print(
                f"| {count} | {name} | {median / 1e3:.3f} | {min(times) / 1e3:.3f} | {ratio:.2f} |"
            )


if __name__ == "__main__":
    main()
