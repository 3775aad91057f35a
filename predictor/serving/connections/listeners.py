"""How to stop listening without a reset for those who have connected already.

To close a listener resets what is in its queue. So first nobody new gets into the queue, then it is
emptied, then closed. Who comes in between is not let in, asks again after a second as TCP does, and
is refused.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # Linux's, which Python has no names for
TAKE_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: return 0 bytes of each packet
QUEUE_OFFSET = 24  # of tcp_info.tcpi_unacked, which of a listener is the length of its queue
TRIES = 200


async def emptied(listener: socket.socket) -> None:
    """Let nobody new into a listener's queue, and wait until all in it are accepted."""
    if sys.platform != "linux":
        return
    # Where a sandbox has no filters, what comes in the last moment is reset.
    with contextlib.suppress(OSError):
        _attach(listener)
        for _ in range(TRIES):
            if not _queued(listener):
                return
            await asyncio.sleep(0.001)


def open_again(listener: socket.socket) -> None:
    """Take the filter from a socket that one before has stopped to listen on."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def _attach(listener: socket.socket) -> None:
    program = ctypes.create_string_buffer(TAKE_NOTHING)
    value = struct.pack("HP", 1, ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, value)


def _queued(listener: socket.socket) -> int:
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    length: int = struct.unpack_from("I", info, QUEUE_OFFSET)[0]
    return length


async def close_listeners(port: int) -> None:
    """Stop to listen on a port with sockets that a library keeps to itself.

    It keeps their descriptors, to close them when it likes; they are no listener's any more.
    """
    for descriptor in on_port(port, _listens):
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            await emptied(listener)
        with socket.socket() as nothing:
            os.dup2(nothing.fileno(), descriptor)


def is_connected(found: socket.socket) -> bool:
    """Tell whether a socket has another end."""
    try:
        found.getpeername()
    except OSError:
        return False
    return True


def _listens(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def on_port(port: int, is_wanted: Callable[[socket.socket], bool]) -> list[int]:
    """Return the descriptors of those of this process's sockets on a port that are wanted."""
    wanted = []
    for descriptor in _sockets():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as found:
            is_inet = found.family in {socket.AF_INET, socket.AF_INET6}
            if is_inet and found.getsockname()[1] == port and is_wanted(found):
                wanted.append(descriptor)
    return wanted


def _sockets() -> list[int]:
    """Return the descriptors of this process's sockets, or none when there is none left to look."""
    found = []
    with contextlib.suppress(OSError):
        for entry in list(DESCRIPTORS.iterdir()):
            with contextlib.suppress(OSError):  # it has been closed meanwhile
                if stat.S_ISSOCK(entry.stat().st_mode):
                    found.append(int(entry.name))
    return found
