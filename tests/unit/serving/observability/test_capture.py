"""A sample of what is predicted is kept in files, and no request is the worse for it."""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from predictor import captured
from predictor.bundle import Manifest
from predictor.errors import DataError
from predictor.serving.observability import capture, capture_files
from predictor.serving.observability.capture import Capture, Ends
from predictor.serving.observability.capture_files import Files
from predictor.serving.settings import Settings
from predictor.training.dataset import Dataset
from predictor.training.pipeline import Trained

MEGABYTE = 2**20
LINE = b'{"line": "' + b"x" * 20_000 + b'"}\n'


@pytest.fixture
def manifest(trained: Trained) -> Manifest:
    return trained.manifest


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "WRITE_SECONDS", 0.01)


@contextmanager
def writing(folder: Path, ratio: float = 1.0, most_bytes: int = MEGABYTE) -> Iterator[Capture]:
    made = Capture(folder, ratio, most_bytes)
    with capture.running(made):
        yield made


def ends(rows: int) -> Ends:
    values = np.arange(rows, dtype=np.float64)
    return values, values - 1, values + 1


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def written(folder: Path) -> list[Path]:
    return list(folder.glob("capture-*.jsonl"))


def sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in written(folder)]


def fill(files: Files, lines: int) -> None:
    for _ in range(lines):
        with files.opened():
            files.append(LINE)


def test_rows_are_kept_as_a_client_would_send_them(
    tmp_path: Path, manifest: Manifest, dataset: Dataset
) -> None:
    before = time.time()
    with writing(tmp_path) as sample:
        sample.offer(manifest, dataset.columns[:700], ends(700))
    lines = list(captured.read(tmp_path))
    rows = [row for line in lines for row in line.rows]
    named = [dict(zip(manifest.contract.names, row, strict=True)) for row in rows]
    assert manifest.contract.encode_rows(named) == dataset.columns[:700].tolist()
    assert rows[0] == [2.95, 0.0, 0.0, 73.21, 100.0, 900, 0, "Light"]
    assert [p for line in lines for p in line.predictions] == list(range(700))
    assert [p for line in lines for p in line.upper] == list(range(1, 701))
    assert {(line.model_name, line.version) for line in lines} == {("energy", manifest.version)}
    assert all(before - 1 <= line.time.timestamp() <= time.time() + 1 for line in lines)


def test_a_share_of_the_runs_is_kept(tmp_path: Path, manifest: Manifest, dataset: Dataset) -> None:
    with writing(tmp_path, ratio=0.2) as sample:
        for _ in range(2000):
            sample.offer(manifest, dataset.columns[:1], ends(1))
    assert 300 < sum(len(line.rows) for line in captured.read(tmp_path)) < 500


def test_what_there_is_no_room_for_is_dropped_and_counted(
    tmp_path: Path, manifest: Manifest, dataset: Dataset
) -> None:
    dropped = counted("predictor_capture_dropped_total", reason="queue")
    written = counted("predictor_captured_rows_total")
    sample = Capture(tmp_path, 1.0, 64 * MEGABYTE)
    for _ in range(8):
        sample.offer(manifest, dataset.columns[:1000], ends(1000))
    assert counted("predictor_capture_dropped_total", reason="queue") == dropped + 2000
    with capture.running(sample):
        pass
    assert counted("predictor_captured_rows_total") == written + 6000


def test_a_run_larger_than_the_room_is_kept_when_nothing_else_waits(
    tmp_path: Path, manifest: Manifest, dataset: Dataset
) -> None:
    with writing(tmp_path, most_bytes=64 * MEGABYTE) as sample:
        sample.offer(manifest, dataset.columns[:30_000], ends(30_000))
    assert sum(len(line.rows) for line in captured.read(tmp_path)) == 30_000


def test_all_files_together_stay_below_the_bound_whoever_writes(tmp_path: Path) -> None:
    workers = [Files(tmp_path, MEGABYTE) for _ in range(24)]
    for number, worker in enumerate(workers):
        worker._own = f"capture-pod-{number}"
    for _ in range(8):
        for worker in workers:
            fill(worker, 1)
            assert sum(sizes(tmp_path)) <= MEGABYTE
    assert sum(sizes(tmp_path)) > MEGABYTE // 2


def test_the_oldest_file_goes_first_and_the_rest_is_whole(tmp_path: Path) -> None:
    files = Files(tmp_path, MEGABYTE)
    fill(files, 1)
    [first] = written(tmp_path)
    fill(files, 200)
    assert not first.exists()
    assert len(sizes(tmp_path)) > 8
    for file in written(tmp_path):
        assert set(file.read_bytes().splitlines(keepends=True)) == {LINE}


def test_files_are_the_servers_own(tmp_path: Path) -> None:
    fill(Files(tmp_path, MEGABYTE), 1)
    [file] = written(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600


def test_there_are_not_ever_more_files(tmp_path: Path) -> None:
    for number in range(capture_files.MOST_FILES + 20):
        worker = Files(tmp_path, 16 * MEGABYTE)
        worker._own = f"capture-pod-{number}"
        fill(worker, 1)
    numbers = {int(file.name.split("-")[2]) for file in written(tmp_path)}
    assert numbers == set(range(20, capture_files.MOST_FILES + 20))


def test_a_file_that_somebody_removes_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path, MEGABYTE)
    fill(files, 20)
    real_listdir = os.listdir
    gone = "capture-gone.jsonl"
    monkeypatch.setattr(os, "listdir", lambda folder: [*real_listdir(folder), gone])
    with files.opened():
        for file in written(tmp_path):
            file.unlink()
        for _ in range(60):
            files.append(LINE)
    assert MEGABYTE // 2 < sum(sizes(tmp_path)) <= MEGABYTE


def test_what_is_locked_is_a_file_as_nfs_wants_it(tmp_path: Path) -> None:
    files = Files(tmp_path, MEGABYTE)
    with (
        files.opened(),
        (tmp_path / ".lock").open("r+b") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".lock").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "capture"
    folder.mkdir()
    (folder / ".lock").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"), Files(folder, MEGABYTE).opened():
        pass
    assert not (tmp_path / "secret").exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    folder, secret = tmp_path / "capture", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("kept")
    files = Files(folder, MEGABYTE)
    fill(files, 1)
    [own] = written(folder)
    own.unlink()
    own.symlink_to(secret)
    fill(files, 200)
    assert secret.read_text() == "kept"
    assert own.is_symlink()


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        pytest.raises(OSError, match=r"Not a directory|symbolic links"),
        Files(tmp_path / "link", MEGABYTE).opened(),
    ):
        pass


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.jsonl"
    other.write_bytes(b"x" * 2 * MEGABYTE)
    os.utime(other, (0, 0))
    fill(Files(tmp_path, MEGABYTE), 100)
    assert other.exists()


def test_a_missing_folder_is_one_line_and_a_count_until_it_is_there(
    tmp_path: Path, manifest: Manifest, dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "capture"
    dropped = counted("predictor_capture_dropped_total", reason="disk")

    def lost() -> float:
        return counted("predictor_capture_dropped_total", reason="disk") - dropped

    with caplog.at_level(logging.ERROR), writing(folder) as sample:
        for count in (3, 6):
            sample.offer(manifest, dataset.columns[:3], ends(3))
            wait(lambda count=count: lost() == count)  # type: ignore[misc]
        folder.mkdir()
        sample.offer(manifest, dataset.columns[:3], ends(3))
    assert lost() == 6
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot capture in {folder}: [Errno 2] No such file or directory: '{folder}'"
    ]
    assert [len(line.rows) for line in captured.read(folder)] == [3]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, MEGABYTE)
    fill(files, 1)
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: real_write(file, line[:100]))
    for _ in range(3):
        with pytest.raises(OSError, match="full"), files.opened():
            files.append(LINE)
    monkeypatch.undo()
    fill(files, 1)
    assert [file.read_bytes() for file in written(tmp_path)] == [LINE * 2]


def test_nothing_is_captured_unless_it_is_wanted() -> None:
    assert capture.of(Settings()) is None


def test_what_is_no_captured_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "capture-a.jsonl").write_text('{"rows": 1}\n')
    with pytest.raises(DataError, match=r"capture-a\.jsonl: line 1 is not of captured rows"):
        list(captured.read(tmp_path))
    with pytest.raises(DataError, match=r"no such folder, expected that of CAPTURE_FOLDER"):
        list(captured.read(tmp_path / "none"))


def test_a_line_that_has_not_ended_is_left_out(
    tmp_path: Path, manifest: Manifest, dataset: Dataset
) -> None:
    with writing(tmp_path) as sample:
        sample.offer(manifest, dataset.columns[:3], ends(3))
    [file] = written(tmp_path)
    file.write_bytes(file.read_bytes() * 2 + b'{"time": "20')
    assert len(list(captured.read(tmp_path))) == 2


def test_what_is_no_regular_file_is_not_read(
    tmp_path: Path, manifest: Manifest, dataset: Dataset
) -> None:
    folder, secret = tmp_path / "capture", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("not of captured rows\n")
    with writing(folder) as sample:
        sample.offer(manifest, dataset.columns[:3], ends(3))
    (folder / "capture-link.jsonl").symlink_to(secret)
    (folder / "capture-endless.jsonl").symlink_to("/dev/zero")
    (folder / "capture-folder.jsonl").mkdir()
    os.mkfifo(folder / "capture-pipe.jsonl")
    [line] = captured.read(folder)
    assert len(line.rows) == 3


def test_a_file_that_may_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "capture-a.jsonl").touch()

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError, match=r"capture-a.jsonl cannot be read: Permission denied"):
        list(captured.read(tmp_path))
