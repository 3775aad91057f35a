"""Looking for sockets among a process's descriptors."""

import os
import socket
from pathlib import Path

from predictor.serving.connections.listeners import is_connected, on_port


def test_sockets_are_found_by_their_port_and_no_descriptor_is_left_open() -> None:
    reader, writer = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            with accepted:
                before = len(list(Path("/proc/self/fd").iterdir()))
                assert on_port(port, is_connected) == [accepted.fileno()]
                assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(reader)
    os.close(writer)
