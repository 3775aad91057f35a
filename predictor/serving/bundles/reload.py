"""Serving what is new in the bundle's folder, once it is known to be right."""

import asyncio
import gc
import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import TypeVar

from predictor.bundle import MANIFEST, MODEL, SIGNATURE, Bundle
from predictor.errors import (
    BundleError,
    MissingBundleError,
    PredictorError,
    SettingsError,
    UnreadableBundleError,
    UnsignedBundleError,
)
from predictor.serving import metrics
from predictor.serving.bundles import source
from predictor.serving.engine import Engine
from predictor.serving.service import Service
from predictor.serving.settings import Settings

# What of each file differs when it is another, or has been written to; None without a file.
Seen = tuple[tuple[int, ...] | None, ...]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of what was found in the folder, by its label in the metric."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    UNSIGNED = "unsigned"
    OTHER_CONTRACT = "other_contract"
    UNUSABLE = "unusable"


class _Refused(Exception):  # noqa: N818 - the old bundle goes on, and nothing has failed
    """What is in the folder is not served, and why."""

    def __init__(self, outcome: Outcome, reason: object) -> None:
        super().__init__(" ".join(str(reason).split()))  # one line, whatever a graph says
        self.outcome = outcome


def look(settings: Settings) -> Seen:
    """Return how the bundle's files, and the key that it is checked with, are found just now."""
    paths = [Path(settings.bundle, name) for name in (MANIFEST, MODEL, SIGNATURE)]
    if settings.require_signature:
        paths.append(Path(settings.require_signature))
    return tuple(map(_look_at, paths))


def _look_at(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Watcher:
    """Looks at the bundle's folder, and gives the service a new engine when there is a new bundle.

    A plain folder is copied into file by file: it is read when it was found the same twice. What
    was refused is not looked into again before it changes, unless it could not be read at all.
    """

    def __init__(self, service: Service, settings: Settings, served: Seen) -> None:
        """Take what `look` said before the bundle that is served was read."""
        self._service = service
        self._settings = settings
        self._folder = Path(settings.bundle)
        self._last = served
        self._tried: Seen | None = served
        self._told: tuple[Seen, str] | None = None

    def start(self) -> None:
        """Watch for as long as the running event loop does, if the settings want it."""
        self._note(self._service.engine, is_served=True)
        for outcome in Outcome:
            metrics.RELOADS.labels(outcome)  # which is 0 from the beginning
        if self._settings.reload_seconds:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            try:
                if engine := await _in_thread(self._poll):
                    self._serve(engine)
            except Exception:
                self._tried = None  # what failed may have had nothing to do with the bundle
                logger.exception("cannot serve what is new in %s", self._folder)

    def _poll(self) -> Engine | None:
        """Return an engine if there is a new bundle that can be served; that may take a while."""
        found = look(self._settings)
        is_settled, self._last = found == self._last, found
        if not is_settled or found == self._tried:
            return None
        self._tried = found
        try:
            return self._new_engine()
        except _Refused as refused:
            if refused.outcome is Outcome.UNREADABLE:
                self._tried = None
            if look(self._settings) == found:  # or else it was changed while it was read
                self._tell(found, refused)
            return None

    def _new_engine(self) -> Engine | None:
        """Return an engine of the bundle in the folder, or none if it is served already."""
        found, served = self._read(), self._service.engine
        if found.manifest == served.manifest and found.folder == served.folder:
            metrics.RELOADS.labels(Outcome.UNCHANGED).inc()
            logger.info("the bundle in %s is the one that is served", self._folder)
            return None
        try:
            return Engine(found)
        except BundleError as error:
            raise _Refused(Outcome.UNUSABLE, error) from error

    def _read(self) -> Bundle:
        try:
            found = source.read(self._folder, self._settings)
        except PredictorError as error:
            raise _Refused(_outcome(error), error) from error
        served = self._service.engine.manifest
        if (found.manifest.name, found.manifest.contract) != (served.name, served.contract):
            reason = f"{self._folder} is of another model, or its contract is another"
            raise _Refused(Outcome.OTHER_CONTRACT, reason)
        return found

    def _serve(self, engine: Engine) -> None:
        old = self._service.engine
        self._service.replace(engine)
        # What a refused request raised holds itself, and with it an engine, until it is looked for.
        asyncio.get_running_loop().call_later(self._settings.reload_seconds, gc.collect)
        self._note(old, is_served=False)
        self._note(engine, is_served=True)
        metrics.RELOADS.labels(Outcome.LOADED).inc()
        name, new, before = engine.manifest.name, engine.manifest.version, old.manifest.version
        logger.info("serving %s %s of %s, no longer %s", name, new, self._folder, before)

    def _note(self, engine: Engine, *, is_served: bool) -> None:
        origin = source.origin_of(engine.folder, self._settings)
        version = engine.manifest.version
        metrics.MODEL_INFO.labels(engine.manifest.name, version, origin).set(int(is_served))
        if is_served:
            created = datetime.fromisoformat(engine.manifest.created)
            metrics.MODEL_CREATED.labels(engine.manifest.name).set(created.timestamp())
            metrics.MODEL_LOADED.labels(engine.manifest.name).set(engine.loaded_at.timestamp())

    def _tell(self, found: Seen, refused: _Refused) -> None:
        """Say once why what was found is not served."""
        if self._told == (found, str(refused)):
            return
        self._told = (found, str(refused))
        metrics.RELOADS.labels(refused.outcome).inc()
        level = logging.WARNING if refused.outcome is Outcome.MISSING else logging.ERROR
        served = self._service.engine.manifest
        words = "%s (%s); %s %s is served as before"
        logger.log(level, words, refused, refused.outcome, served.name, served.version)


async def _in_thread(work: Callable[[], T]) -> T:
    """Return what `work` does in a thread that the end of the process does not wait for.

    A disk that hangs would keep it from ending.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            done.set_exception(error)

    Thread(target=run, name="bundle", daemon=True).start()
    return await asyncio.wrap_future(done)


def _outcome(error: PredictorError) -> Outcome:
    """Return what the metric calls a bundle that cannot be taken."""
    match error:
        case MissingBundleError():
            return Outcome.MISSING
        case UnreadableBundleError():
            return Outcome.UNREADABLE
        case UnsignedBundleError() | SettingsError():  # the key itself may be wrong
            return Outcome.UNSIGNED
        case _:
            return Outcome.DAMAGED
