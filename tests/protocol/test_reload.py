"""A bundle that changes while it is served. `--long` swaps a hundred times, and prints figures."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from operator import contains
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from predictor.bundle import MANIFEST, MODEL, SIGNATURE
from predictor.training.pipeline import Trained
from tests.bundles import (
    another_contract,
    another_name,
    another_version,
    damaged,
    flipped,
    halved,
    hostile,
    signed,
    written,
    wrong_answers,
)
from tests.keys import key_pair
from tests.mounted import Mounted, Plain, Write
from tests.protocol.process import Server, running
from tests.protocol.reloads import (
    SETTINGS,
    lines,
    metric,
    outcomes,
    served,
    wait,
    wait_for_outcome,
    wait_until_loaded,
)
from tests.protocol.versions import asking, expected


@dataclass(frozen=True)
class Keys:
    """The key that is required, and another."""

    right: Path
    wrong: Path
    public: Path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder, other = tmp_path_factory.mktemp("keys"), tmp_path_factory.mktemp("other-keys")
    right, public = key_pair(folder)
    return Keys(right, key_pair(other)[0], public)


def bad_ones(right: Trained, keys: Keys) -> list[tuple[str, Write]]:
    """Return what is not to be served: what becomes of each, and what writes it."""
    good, digest = written(right), right.manifest.files[MODEL].encode()
    wrong = {
        "damaged": [
            damaged(good, MODEL, flipped),
            damaged(good, MODEL, halved),
            damaged(good, MANIFEST, halved),
            damaged(good, MANIFEST, lambda text: text.replace(digest, b"0" * 64)),
        ],
        "other_contract": [written(another_contract(right)), written(another_name(right))],
        "unusable": [written(hostile(right)), written(wrong_answers(right))],
    }
    unsigned = [
        damaged(signed(good, keys.right), SIGNATURE, flipped),
        damaged(signed(good, keys.right), MANIFEST, flipped),
        signed(good, keys.wrong),
        good,
    ]
    found = [(outcome, signed(write, keys.right)) for outcome in wrong for write in wrong[outcome]]
    return found + [("unsigned", write) for write in unsigned]


@dataclass
class Figures:
    """What is printed, for what depends on the machine is not asserted."""

    rss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, server: Server, seconds: float) -> None:
        self.rss.append(rss_mb(server))
        self.seconds.append(seconds)

    def __str__(self) -> str:
        rss = ", ".join(f"{self.rss[len(self.rss) * part // 8]:.1f}" for part in range(8))
        spread = f"median {median(self.seconds):.2f} s, longest {max(self.seconds):.2f} s"
        return f"RSS in MB: {rss}, {self.rss[-1]:.1f}; from a change to its first answer: {spread}"


def rss_mb(server: Server) -> float:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("kind", [Plain, Mounted])
def test_good_bundles_are_swapped_in_and_bad_ones_not_and_no_request_fails(
    trained: Trained,
    keys: Keys,
    tmp_path: Path,
    kind: type[Plain | Mounted],
    pytestconfig: pytest.Config,
    say: Callable[[str], None],
) -> None:
    swaps = 50 if pytestconfig.getoption("long") else 6
    versions = [another_version(trained, number) for number in range(swaps + 1)]
    answers = {version: found for v in versions for version, found in expected(v).items()}
    assert len({str(found) for found in answers.values()}) == swaps + 1  # they do differ
    folder = kind(tmp_path / "bundle")
    folder.put(signed(written(versions[0]), keys.right))
    swapped = Figures()
    with running(folder.path, REQUIRE_SIGNATURE=str(keys.public), **SETTINGS) as server:
        with asking(server, versions[0].manifest, answers) as asked:
            for number, (old, new) in enumerate(pairwise(versions)):
                bad = bad_ones(new, keys)
                outcome, write = bad[(number * 7) % len(bad)]
                before = outcomes(server)[outcome]
                folder.put(write)
                wait_for_outcome(server, outcome, before + 1)
                assert served(server)["model_version"] == old.manifest.version
                folder.put(signed(written(new), keys.right))
                start = perf_counter()
                wait(server, partial(contains, asked.versions, new.manifest.version))
                swapped.add(server, perf_counter() - start)
        assert swapped.rss[-1] - swapped.rss[0] < 8
        assert asked.failures == []
        assert asked.requests["of a version that has gone"] > 0
        counts = outcomes(server)
        assert counts.pop("loaded") == swaps
        assert len(lines(server, "is served as before")) == sum(counts.values())
        assert "Traceback" not in server.log.read_text()
    say(f"{kind.__name__}: {2 * swaps} swaps, of which were refused {counts}")
    say(f"{asked.requests.total()} requests, none failed: {dict(asked.requests)}")
    say(f"{swapped}\n")


def test_every_worker_swaps_and_the_metrics_say_what_is_served(
    trained: Trained, tmp_path: Path
) -> None:
    versions = [another_version(trained, number) for number in range(2)]
    answers = {version: found for v in versions for version, found in expected(v).items()}
    old, new = (version.manifest.version for version in versions)
    folder = Mounted(tmp_path / "bundle")
    folder.put(written(versions[0]))
    with running(folder.path, WORKERS="2", **SETTINGS) as server:
        with asking(server, versions[0].manifest, answers) as asked:
            folder.put(written(versions[1]))
            wait_for_outcome(server, "loaded", 2)
        assert asked.failures == []
        assert metric(server, "predictor_model_info", "version") == {old: 0, new: 1}
        assert {served(server)["model_version"] for _ in range(20)} == {new}


def test_a_folder_that_vanishes_changes_nothing_until_a_bundle_is_there_again(
    trained: Trained, tmp_path: Path
) -> None:
    versions = [another_version(trained, number) for number in range(3)]
    answers = {version: found for v in versions for version, found in expected(v).items()}
    folder = Plain(tmp_path / "bundle")
    folder.put(written(versions[0]))
    with running(folder.path, **SETTINGS) as server:
        with asking(server, versions[0].manifest, answers) as asked:
            folder.path.rename(tmp_path / "elsewhere")
            wait_for_outcome(server, "missing", 1)
            assert served(server)["model_version"] == versions[0].manifest.version
            (tmp_path / "elsewhere").rename(folder.path)
            wait_for_outcome(server, "unchanged", 1)
            wait_until_loaded(server, folder, versions[1])
        assert asked.failures == []
        [line] = lines(server, "no bundle at")
        assert "WARNING" in line
