"""The watcher look by look, without waiting: each is what happens after an interval."""

import asyncio
import gc
import logging
import weakref
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from predictor import bundle
from predictor.bundle import MODEL
from predictor.errors import InvalidInput
from predictor.serving.bundles.reload import Watcher, look
from predictor.serving.decoding.batch import Batch
from predictor.serving.engine import Engine
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from predictor.serving.steps import Encode
from predictor.training.pipeline import Trained
from tests.bundles import another_version, written
from tests.mounted import Mounted, Write


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Mounted:
    folder = Mounted(tmp_path / "bundle")
    folder.put(written(trained))
    return folder


@pytest.fixture
def service(folder: Mounted) -> Service:
    return Service(Engine(bundle.read(folder.path)), Settings())


@pytest.fixture
def watcher(folder: Mounted, service: Service) -> Watcher:
    settings = Settings(bundle=str(folder.path))
    return Watcher(service, settings, look(settings))


def without_the_graph(trained: Trained) -> Write:
    def write(folder: Path) -> None:
        written(trained)(folder)
        (folder / MODEL).unlink()

    return write


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("predictor_reloads_total", {"outcome": outcome}) or 0


def test_a_new_bundle_is_read_as_soon_as_it_is_found_the_same_twice(
    trained: Trained, folder: Mounted, watcher: Watcher
) -> None:
    assert watcher._poll() is None
    folder.put(written(another_version(trained, 1)))
    assert watcher._poll() is None
    folder.put(written(another_version(trained, 2)))
    assert watcher._poll() is None
    engine = watcher._poll()
    assert engine
    assert engine.manifest.version == another_version(trained, 2).manifest.version
    assert watcher._poll() is None


def test_what_was_refused_is_neither_read_nor_told_of_again_before_it_changes(
    trained: Trained, folder: Mounted, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    before = count("damaged")
    for _ in range(2):

        def write(folder: Path) -> None:
            written(trained)(folder)
            (folder / MODEL).write_bytes(b"no graph")

        folder.put(write)
        for _ in range(5):
            assert watcher._poll() is None
    assert count("damaged") - before == 2
    assert len(caplog.records) == 2


def test_what_cannot_be_read_is_tried_again_and_told_of_once(
    trained: Trained, folder: Mounted, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    new = another_version(trained, 1)
    folder.put(without_the_graph(new))
    for _ in range(5):
        assert watcher._poll() is None
    [record] = caplog.records
    assert f"cannot read {folder.path / MODEL}: No such file or directory (unreadable)" in (
        record.getMessage()
    )
    (folder.path / "..data" / MODEL).write_bytes(new.files[MODEL])
    assert [watcher._poll() is None for _ in range(3)] == [True, False, True]


def test_a_reason_is_one_line_whatever_a_bundle_says(
    trained: Trained, folder: Mounted, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    def write(folder: Path) -> None:
        written(trained)(folder)
        text = (folder / "bundle.json").read_text()
        forged = text.replace('"seed"', '"seed\\n2026-11-21 INFO all is well"')
        (folder / "bundle.json").write_text(forged)

    folder.put(write)
    assert [watcher._poll(), watcher._poll()] == [None, None]
    [record] = caplog.records
    assert "all is well" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_an_engine_that_was_replaced_is_gone_even_when_it_refused_requests(
    service: Service, folder: Mounted
) -> None:
    old = weakref.ref(service.engine)

    def refuse(_engine: Engine) -> tuple[Batch, Encode[bytes]]:
        message = "no"
        raise InvalidInput(message)

    async def ask() -> None:
        with pytest.raises(InvalidInput):
            await service.answer(1, refuse)

    asyncio.run(ask())
    service.replace(Engine(bundle.read(folder.path)))
    gc.collect()
    assert old() is None


def test_a_folder_that_is_gone_is_a_warning(
    folder: Mounted, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    folder.path.rename(folder.path.with_name("elsewhere"))
    for _ in range(3):
        assert watcher._poll() is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
