"""Sends requests on schedule and never twice, and says how each ended: run in a pod of the image.

    python load.py URL RATE LEAST BODY STOP

Every other request has a connection of its own, the others share kept-alive ones. It goes on until
the file STOP is there and LEAST requests were sent, then prints JSON: how many were sent, and of
each that failed when it was sent, how, and how long it took, in seconds. The standard library must
do: a client that is tried would try again.
"""

import asyncio
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 15.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load:
    """Requests to one URL."""

    def __init__(self, url: str, body: bytes) -> None:
        address = urlsplit(url)
        self.host, self.port = address.hostname, address.port or 80
        head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.kept = head.encode() + b"\r\n" + body
        self.single = head.encode() + b"Connection: close\r\n\r\n" + body
        self.idle: deque[Connection] = deque()
        self.latencies: list[float] = []
        self.failed: list[tuple[float, str, float]] = []
        self.began = time.monotonic()

    async def send(self, *, keep: bool) -> None:
        start = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await (self._kept() if keep else self._single())
            how = "" if status == 200 else f"status {status}"
        except Exception as error:  # noqa: BLE001 - it is what is counted
            how = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - start
        if how:
            self.failed.append((start - self.began, how, seconds))
        else:
            self.latencies.append(seconds)

    async def _single(self) -> int:
        connection = await asyncio.open_connection(self.host, self.port)
        status, _ = await self._answer(connection, self.single)
        connection[1].close()
        return status

    async def _kept(self) -> int:
        while self.idle:
            connection = self.idle.pop()
            if not connection[0].at_eof():  # the server has said that it is over
                break
            connection[1].close()
        else:
            connection = await asyncio.open_connection(self.host, self.port)
        status, closes = await self._answer(connection, self.kept)
        if closes:
            connection[1].close()
        else:
            self.idle.append(connection)
        return status

    async def _answer(self, connection: Connection, request: bytes) -> tuple[int, bool]:
        reader, writer = connection
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head.split()[1]), b"\r\nconnection: close" in head


async def main(load: Load, rate: float, least: int, stop: str) -> None:
    tasks: set[asyncio.Task[None]] = set()
    sent = 0
    while sent < least or not os.access(stop, os.F_OK):
        due = load.began + sent / rate
        await asyncio.sleep(due - time.monotonic())
        task = asyncio.create_task(load.send(keep=sent % 2 == 0))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
    await asyncio.gather(*tasks)
    ordered = sorted(load.latencies)
    p99 = ordered[int(0.99 * len(ordered))] if ordered else None
    seconds = time.monotonic() - load.began
    found = {"sent": sent, "failed": load.failed, "p99": p99, "seconds": seconds}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    url, rate, least, body, stop = sys.argv[1:]
    asyncio.run(main(Load(url, Path(body).read_bytes()), float(rate), int(least), stop))
