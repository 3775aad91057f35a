"""Telling a person how far a long piece of work has come."""

import sys
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm


class Progress:
    """A bar on a terminal; elsewhere, such as in a build's log, a plain line for every step."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """Expect `total` steps and show them on `stream`, by default standard error."""
        self._stream = stream or sys.stderr
        self._done = 0
        self._total = total
        terminal = self._stream.isatty()
        self._bar = tqdm(total=total, file=self._stream, disable=not terminal, unit="fit")

    def step(self, what: str) -> None:
        """Report that one more step is done."""
        self._done += 1
        if self._bar.disable:
            print(f"{self._done:>3}/{self._total} {what}", file=self._stream, flush=True)
        else:
            self._bar.set_description(what, refresh=False)
            self._bar.update()

    def __enter__(self) -> Self:
        """Start showing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bar as it stands and go to the next line."""
        self._bar.close()
