import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from predictor.serving.processes import child

ECHO = "import os\nwhile asked := os.read(0, 4096): os.write(1, asked)"


async def started(program: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=PIPE, stdout=PIPE
    )


def test_a_worker_that_is_stuck_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PING_SECONDS", 0.2)

    async def code() -> int:
        process = await started(ECHO)
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"are you there?\n")
        await process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        await child._kill_when_stuck(process)
        return await process.wait()

    assert asyncio.run(code()) == -signal.SIGKILL


def test_a_worker_that_answers_in_the_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PING_SECONDS", 0.1)
    slow = "import os, time\nwhile asked := os.read(0, 5):\n    time.sleep(0.3); os.write(1, asked)"

    async def is_alive() -> bool:
        process = await started(slow)
        watch = asyncio.create_task(child._kill_when_stuck(process))
        done, _ = await asyncio.wait([watch], timeout=3)
        watch.cancel()
        alive = process.returncode is None
        process.kill()
        await process.wait()
        return alive and not done

    assert asyncio.run(is_alive())
