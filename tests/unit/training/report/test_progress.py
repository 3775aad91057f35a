import io
import os
import pty
import select

from predictor.training.report.progress import Progress


def test_a_log_gets_a_plain_line_for_every_step() -> None:
    stream = io.StringIO()
    with Progress(2, stream) as progress:
        progress.step("one")
        progress.step("two")
    assert stream.getvalue() == "  1/2 one\n  2/2 two\n"


def test_a_terminal_gets_a_bar() -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        with Progress(2, terminal) as progress:
            progress.step("one")
            progress.step("two")
        shown = ""
        while "100%" not in shown:  # the bar is in the terminal's buffer, or the read fails
            assert select.select([reader], [], [], 1)[0], shown
            shown += os.read(reader, 10_000).decode()
    os.close(reader)
    assert "two: 100%" in shown
    assert "1/2 one" not in shown
