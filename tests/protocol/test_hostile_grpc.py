"""Clients of gRPC that are slow or greedy: by its own limits, where gRPC has them."""

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from predictor.serving.grpc import inference_pb2 as pb
from tests.protocol.process import START_SECONDS, Server, running
from tests.protocol.test_hostile import MEBIBYTE, SECONDS, resident_bytes

SERVICE = "/inference.GRPCInferenceService"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
CALM = 11  # the error with which HTTP/2 asks for less


@pytest.fixture(scope="module")
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder, **SECONDS) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def is_live(server: Server) -> bool:
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary(f"{SERVICE}/ServerLive", None, None)
        return bool(ask(b"", timeout=START_SECONDS) == b"\x08\x01")


def frame(kind: int, payload: bytes, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def connected(server: Server) -> socket.socket:
    host, _, port = server.grpc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=START_SECONDS)


def frames(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield the kinds and payloads of what comes, until the server closes or resets."""
    received = b""
    while True:
        while len(received) < 9 or len(received) < 9 + int.from_bytes(received[:3], "big"):
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                return
            if not more:
                return
            received += more
        end = 9 + int.from_bytes(received[:3], "big")
        yield received[3], received[9:end]
        received = received[end:]


@pytest.mark.parametrize("kind", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_message_is_limited_by_what_it_holds(
    bundle_folder: Path, kind: grpc.Compression, say: Callable[[str], None]
) -> None:
    with running(bundle_folder, GRPC_CONNECTION_SECONDS="0") as server:
        assert is_live(server)
        _send_bomb(server, kind, say)
        assert is_live(server)


def _send_bomb(server: Server, kind: grpc.Compression, say: Callable[[str], None]) -> None:
    bomb = pb.ModelInferRequest(raw_input_contents=[bytes(200 * MEBIBYTE)]).SerializeToString()
    before = resident_bytes(server)
    with grpc.insecure_channel(server.grpc, compression=kind) as channel:
        ask = channel.unary_unary(f"{SERVICE}/ModelInfer", None, None)
        with pytest.raises(grpc.RpcError) as error:
            ask(bomb, timeout=START_SECONDS)
    grown = (resident_bytes(server) - before) / MEBIBYTE
    say(f"200 MiB of zeros, compressed: RSS grew by {grown:.1f} MiB")
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("metadata", [(("a", "x" * MEBIBYTE),), (("a", "b"),) * 10_000])
def test_too_much_metadata_is_refused(
    server: Server, metadata: tuple[tuple[str, str], ...]
) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary(f"{SERVICE}/ServerLive", None, None)
        with pytest.raises(grpc.RpcError) as error:
            ask(b"", timeout=START_SECONDS, metadata=metadata)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert is_live(server)


def test_a_flood_of_pings_is_told_to_calm_down(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(PREFACE + frame(SETTINGS, b"") + frame(PING, bytes(8)) * 100)
        errors = [payload[4:8] for kind, payload in frames(connection) if kind == GOAWAY]
    assert CALM.to_bytes(4, "big") in errors


@pytest.mark.parametrize("sent", [b"", PREFACE[:5], PREFACE, PREFACE + frame(SETTINGS, b"")])
def test_a_connection_that_asks_nothing_is_closed(server: Server, sent: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(sent)
        list(frames(connection))


def test_a_client_that_does_not_read_is_cut(server: Server) -> None:
    def text(name: bytes, value: bytes) -> bytes:
        return name + bytes([len(value)]) + value

    no_window = struct.pack(">HI", 4, 0)
    head = b"\x83\x86" + text(b"\x04", f"{SERVICE}/ServerMetadata".encode())
    head += text(b"\x01", b"x") + text(b"\x0f\x10", b"application/grpc")
    head += text(b"\x00\x02te", b"trailers")
    call = frame(HEADERS, head, 4, 1) + frame(DATA, bytes(5), 1, 1)
    with connected(server) as connection:
        connection.sendall(PREFACE + frame(SETTINGS, no_window) + call)
        kinds = [kind for kind, _ in frames(connection)]
    assert HEADERS in kinds
    assert DATA not in kinds
