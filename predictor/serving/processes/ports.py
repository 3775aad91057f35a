"""The ports of a server, each for several processes at once."""

import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from predictor.errors import SettingsError


class Ports:
    """Sockets that are bound, so that nobody else has their ports; none listens yet.

    The kernel spreads the connections to a port over the sockets that listen on it. There is one
    for each worker's HTTP. gRPC opens its own, and the one here only keeps the port.
    """

    def __init__(self, host: str, http: int, grpc: int, workers: int) -> None:
        """Bind them; a port of 0 is a free one. Raises SettingsError when one cannot be had."""
        if http == grpc != 0:
            message = f"settings PORT and GRPC_PORT are both {http}"
            raise SettingsError(message)
        self._sockets = ExitStack()
        first = self._bind(host, http)
        self.http: int = first.getsockname()[1]
        others = [self._share(host, self.http) for _ in range(workers - 1)]
        self.listeners = [first, *others]
        self.grpc: int = self._bind(host, grpc).getsockname()[1]

    def __enter__(self) -> Self:
        """Return the ports."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the sockets."""
        self._sockets.close()

    def _bind(self, host: str, port: int) -> socket.socket:
        """Return a socket on a port that nobody listens on, which sharing it would not tell."""
        try:
            if port:
                socket.create_server((host, port), family=_family(host)).close()
            return self._share(host, port)
        except OSError as error:
            message = f"cannot listen on {host} port {port}: {error.strerror}"
            raise SettingsError(message) from error

    def _share(self, host: str, port: int) -> socket.socket:
        shared = self._sockets.enter_context(socket.socket(_family(host)))
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if _family(host) == socket.AF_INET6:
            shared.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        shared.bind((host, port))
        return shared


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address(host: str, port: int) -> str:
    """Return a host and a port as URLs have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
