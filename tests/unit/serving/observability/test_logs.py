"""Lines that cannot be written at once."""

import logging
import os
import threading

from predictor.serving.observability.logs import _Lines


def test_a_long_line_does_not_wait_for_who_reads_the_log() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while os.write(writer, bytes(4096)):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    os.read(reader, 4096)  # there is room for a part of the line
    lines = _Lines(lambda _: "x" * 6000, writer)
    record = logging.LogRecord("a", logging.INFO, "", 0, "", (), None)
    thread = threading.Thread(target=lines.emit, args=(record,), daemon=True)
    thread.start()
    thread.join(10)
    is_done = not thread.is_alive()
    os.close(reader)
    thread.join(10)
    os.close(writer)
    assert is_done
