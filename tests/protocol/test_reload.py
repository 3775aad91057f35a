"""A bundle that changes while it is served. `--long` swaps a hundred times, and prints figures."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from predictor.bundle import MANIFEST, MODEL, SIGNATURE
from predictor.signature import signer
from predictor.training.pipeline import Trained
from tests.bundles import (
    another_contract,
    another_name,
    another_version,
    hostile,
    written,
    wrong_answers,
)
from tests.keys import key_pair
from tests.mounted import Mounted, Plain, Write
from tests.protocol.process import PREDICTOR, START_SECONDS, Server, running
from tests.protocol.versions import asking, expected

# Often, so that a test is short; and nothing is refused because the machine is slow.
SETTINGS = {"RELOAD_SECONDS": "0.1", "MAX_WAIT_SECONDS": "60"}


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


def metric(server: Server, name: str, label: str) -> dict[str, float]:
    """Return a metric's values by one of its labels."""
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics", timeout=60).text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels[label]: sample.value for sample in samples}


def outcomes(server: Server) -> dict[str, float]:
    """Return how often each thing became of what was found in the folder."""
    return metric(server, "predictor_reloads_total", "outcome")


def served(server: Server) -> dict[str, str]:
    [model] = httpx.get(f"{server.url}/models", timeout=60).json()["models"]
    return dict(model)


def wait(server: Server, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.01)


def wait_for_version(server: Server, version: str) -> None:
    wait(server, lambda: served(server)["model_version"] == version)


def wait_for_outcome(server: Server, outcome: str, count: float) -> None:
    wait(server, lambda: outcomes(server)[outcome] >= count)


def lines(server: Server, part: str) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if part in line]


def damaged(write: Write, name: str, damage: Callable[[bytes], bytes]) -> Write:
    """Return what writes a bundle, and then changes a file of it."""

    def write_damaged(folder: Path) -> None:
        write(folder)
        (folder / name).write_bytes(damage((folder / name).read_bytes()))

    return write_damaged


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def signed(write: Write, key: Path) -> Write:
    """Return what writes a bundle, and signs it as it is."""

    def write_signed(folder: Path) -> None:
        write(folder)
        (folder / SIGNATURE).write_bytes(signer(key)((folder / MANIFEST).read_bytes()))

    return write_signed


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
        return (
            f"RSS in MB: {rss}, {self.rss[-1]:.1f}; from the change to the first answer: {spread}"
        )


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
    capsys: pytest.CaptureFixture[str],
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
                wait_for_version(server, new.manifest.version)
                swapped.add(server, perf_counter() - start)
        assert asked.failures == []
        assert asked.versions == set(answers)
        assert asked.requests["of a version that has gone"] > 0
        counts = outcomes(server)
        assert counts.pop("loaded") == swaps
        assert len(lines(server, "is served as before")) == sum(counts.values())
        assert "Traceback" not in server.log.read_text()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kind.__name__}: {2 * swaps} swaps, of which were refused {counts}\n"
            f"{asked.requests.total()} requests, none failed: {dict(asked.requests)}\n{swapped}"
        )


def wait_until_loaded(server: Server, folder: Plain | Mounted, version: Trained) -> None:
    folder.put(written(version))
    wait_for_version(server, version.manifest.version)


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
        assert len(lines(server, "WARNING no bundle at")) == 1


def model_info(server: Server) -> dict[str, float]:
    return metric(server, "predictor_model_info", "origin")


def test_a_missing_bundle_is_replaced_by_the_embedded_one_when_told_so(
    trained: Trained, tmp_path: Path
) -> None:
    embedded, folder = tmp_path / "embedded", Plain(tmp_path / "bundle")
    written(trained)(embedded)
    settings = {"EMBEDDED_BUNDLE": str(embedded), "FALLBACK_TO_EMBEDDED": "true", **SETTINGS}
    with running(folder.path, **settings) as server:
        assert served(server)["origin"] == "embedded"
        assert model_info(server) == {"embedded": 1}
        assert lines(server, f"WARNING no bundle at {folder.path}")
        assert lines(server, f"of {embedded} (embedded) on")
        wait_until_loaded(server, folder, another_version(trained, 1))
        assert served(server)["origin"] == "external"
        assert served(server)["source"] == str(folder.path)
        assert model_info(server) == {"embedded": 0, "external": 1}


@pytest.mark.parametrize(
    ("settings", "damage", "sentence"),
    [
        ({"FALLBACK_TO_EMBEDDED": "false"}, None, "no bundle at"),
        ({"FALLBACK_TO_EMBEDDED": "true"}, flipped, "model.onnx is damaged"),
        (
            {"FALLBACK_TO_EMBEDDED": "true", "EMBEDDED_BUNDLE": ""},
            None,
            "FALLBACK_TO_EMBEDDED is true, and EMBEDDED_BUNDLE names no folder",
        ),
    ],
)
def test_no_other_bundle_is_served_in_the_place_of_one_unless_it_is_missing_and_told_so(
    trained: Trained,
    tmp_path: Path,
    settings: dict[str, str],
    damage: Callable[[bytes], bytes] | None,
    sentence: str,
) -> None:
    written(trained)(tmp_path / "embedded")
    if damage:
        damaged(written(trained), MODEL, damage)(tmp_path / "bundle")
    ended = subprocess.run(
        [*PREDICTOR, "serve", "--bundle", str(tmp_path / "bundle")],
        env=os.environ
        | {"EMBEDDED_BUNDLE": str(tmp_path / "embedded"), "PORT": "0", "GRPC_PORT": "0"}
        | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
