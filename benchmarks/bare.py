"""Times the graph alone, for one row and for many: `python -m benchmarks.bare BUNDLE ROWS`.

ROWS is a file with the body of a V1 request. It prints the median of a run in milliseconds, for one
row and for all, as JSON.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from predictor import bundle, graph

SECONDS = 1.0


def main() -> None:
    """Print the medians."""
    folder, rows = map(Path, sys.argv[1:])
    served = bundle.read(folder)
    session = graph.load(served.model)
    contract = served.manifest.contract
    columns = np.array(contract.encode_rows(json.loads(rows.read_bytes())["instances"]))
    found = []
    for part in (columns[:1], columns):
        times = []
        ended = time.perf_counter() + SECONDS
        while time.perf_counter() < ended:
            started = time.perf_counter()
            graph.predict(session, contract, part)
            times.append((time.perf_counter() - started) * 1e3)
        found.append(statistics.median(times))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
