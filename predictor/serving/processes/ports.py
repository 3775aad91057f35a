"""The ports of a server, each for several processes at once."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from predictor.errors import SettingsError

# This address means those of IPv4 too, as it does for gRPC.
ANY_IPV6 = "::"


@dataclass(frozen=True)
class Ports:
    """The ports for HTTP and gRPC, and a socket for each worker's HTTP, bound but not listening.

    The kernel spreads the connections to a port over the sockets that listen on it. gRPC opens its
    own, and its port is only kept for it.
    """

    http: int
    grpc: int
    listeners: list[socket.socket]


@contextmanager
def bound(host: str, http: int, grpc: int, workers: int) -> Iterator[Ports]:
    """Yield ports that nobody else can have meanwhile; a port of 0 is a free one.

    Raises SettingsError when one cannot be had.
    """
    if http == grpc != 0:
        message = f"settings PORT and GRPC_PORT are both {http}"
        raise SettingsError(message)
    with ExitStack() as stack:
        first = stack.enter_context(_bind(host, http))
        port: int = first.getsockname()[1]
        others = [stack.enter_context(share(host, port)) for _ in range(workers - 1)]
        kept = stack.enter_context(_bind(host, grpc))
        yield Ports(port, kept.getsockname()[1], [first, *others])


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket on a port that nobody listens on, which sharing it would not tell."""
    try:
        if port:
            family, both = _family(host), host == ANY_IPV6
            socket.create_server((host, port), family=family, dualstack_ipv6=both).close()
        return share(host, port)
    except OSError as error:
        message = f"cannot listen on {host} port {port}: {error.strerror}"
        raise SettingsError(message) from error


def share(host: str, port: int) -> socket.socket:
    """Return a socket on a port that others may have too; raises OSError."""
    shared = socket.socket(_family(host))
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if _family(host) == socket.AF_INET6:
        shared.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != ANY_IPV6)
    shared.bind((host, port))
    return shared


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address(host: str, port: int) -> str:
    """Return a host and a port as URLs have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
