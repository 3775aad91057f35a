"""What is open to everybody: the probes, and by no route or method anything else."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from predictor import bundle
from predictor.serving.engine import Engine
from predictor.serving.grpc.server import SERVICE
from predictor.serving.rest import routes
from predictor.serving.rest.plain import plain_api
from predictor.serving.service import Service
from predictor.serving.settings import Settings
from tests.protocol.process import Server, running
from tests.protocol.raw import Connection
from tests.protocol.security.asking import INFER, SECONDS, Client
from tests.protocol.security.credentials import JWT, ec_key, jwks

KEY = "alice-0123456789"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PROBES = ("/v2/health/live", "/v2/health/ready", "/health", "/health/ready")
OPEN = {(method, path) for method in ("GET", "HEAD") for path in PROBES}
NOT_HERE = (
    *(
        "/nothing",
        "/v1/models/other",
        "/v2/models/other/infer",
        "/health/",
        "//health",
        "/v2/health",
    ),
    *("/HEALTH", "/health/../metrics", "/health/%2e%2e/models", "/v2/health/live/../../models"),
    *(
        "/health;x",
        "/health%00",
        "/%0aERROR%20forged",
        "/metrics?path=/health",
        "/docs/../health/x",
    ),
)
OPEN_CALLS = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
}


@pytest.fixture(scope="module", params=["keys", "tokens"])
def server(
    request: pytest.FixtureRequest, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("open")
    (folder / "keys").write_text(f"alice {KEY}\n")
    (folder / "jwks").write_bytes(jwks(ec=ec_key("ec")))
    settings = {
        "keys": {"API_KEYS_FILE": str(folder / "keys")},
        "tokens": {"JWT_JWKS": str(folder / "jwks"), **JWT},
    }
    with running(bundle_folder, UI="true", **settings[request.param]) as server:
        yield server


def paths(bundle_folder: Path) -> list[str]:
    """Return every path that the server has, also those that are in no documentation."""
    service = Service(Engine(bundle.read(bundle_folder)), Settings())
    plain = [route.path for route in plain_api(service, Settings(ui=True)).routes]  # type: ignore[attr-defined]
    model = "/v2/models/energy"
    version = f"{model}/versions/{service.engine.manifest.version}"
    versions = [version, f"{version}/ready", f"{version}/infer"]
    return [*routes.reads(service), *routes.predictions(service), *plain, *versions]


def test_exactly_the_probes_are_open_of_every_route_by_every_method(
    server: Server, bundle_folder: Path
) -> None:
    found = paths(bundle_folder)
    assert len(found) > 20
    assert set(PROBES) <= set(found)
    is_open = set()
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        for path in (*found, *NOT_HERE):
            for method in METHODS:
                body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
                answer = client.request(method, path, content=body)
                if answer.status_code == 401:
                    assert method == "HEAD" or answer.json().keys() == {"error"}
                else:
                    is_open.add((method, path))
    assert is_open == OPEN


@pytest.mark.parametrize("target", [b"http://x/health", b"/health?x=/metrics", b"/%68ealth"])
def test_other_ways_to_write_a_probe_are_the_probe(server: Server, target: bytes) -> None:
    with Connection(server.url) as connection:
        connection.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        answer = connection.answer()
    assert (answer.status, b"healthy" in answer.body) == (200, True)


def calls() -> list[str]:
    """Return the path of every method of every service, and of some that there are not."""
    services = [
        SERVICE,
        *health_pb2.DESCRIPTOR.services_by_name.values(),
        *reflection_pb2.DESCRIPTOR.services_by_name.values(),
    ]
    found = [f"/{service.full_name}/{m.name}" for service in services for m in service.methods]
    other = ("Check", "Health/Check", "grpc.health.v1.Health/check", "grpc.health.v1.Health/List")
    return [*found, *(f"/{name}" for name in other), "/x.Y/Z", f"/{SERVICE.full_name}/Nothing"]


def code(channel: grpc.Channel, path: str, metadata: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the status of a call with one empty message; a stream may answer once."""
    ask = channel.stream_stream(path, None, None)
    call: Any = ask(iter([b""]), timeout=SECONDS, metadata=metadata)
    try:
        next(call, None)
        call.cancel()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_exactly_the_probes_are_open_of_every_call(server: Server) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        found = {path: code(channel, path) for path in calls()}
    assert len(found) > 10
    assert {path for path, c in found.items() if c != "UNAUTHENTICATED"} == OPEN_CALLS
    assert {found[path] for path in OPEN_CALLS} == {"OK"}


def test_who_is_let_in_finds_all_that_there_is(bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"alice {KEY}\n")
    keys = str(tmp_path / "keys")
    with running(bundle_folder, UI="true", API_KEYS_FILE=keys) as server:
        with httpx.Client(base_url=server.url, headers={"X-Api-Key": KEY}) as client:
            statuses = {path: client.get(path).status_code for path in paths(bundle_folder)}
        with grpc.insecure_channel(server.grpc) as channel:
            codes = {path: code(channel, path, (("x-api-key", KEY),)) for path in calls()}
    assert set(statuses.values()) == {200, 307, 405}
    assert "UNAUTHENTICATED" not in codes.values()
    assert codes["/x.Y/Z"] == "UNIMPLEMENTED"


@pytest.mark.parametrize("way", ["length", "chunks", "expect"])
@pytest.mark.parametrize("path", [b"/v1/models/energy:predict", b"/nothing"])
def test_of_who_is_refused_no_large_body_is_read(server: Server, way: str, path: bytes) -> None:
    framing = b"Transfer-Encoding: chunked" if way == "chunks" else b"Content-Length: 1073741824"
    expect = b"Expect: 100-continue\r\n" if way == "expect" else b""
    with Connection(server.url) as connection:
        connection.send(b"POST %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n\r\n" % (path, expect, framing))
        answer = connection.answer()
        assert (answer.status, answer.closes) == (401, True)
        assert dict(answer.headers)[b"www-authenticate"] == b"Bearer"
        piece = b"x" * 65_536
        if way == "chunks":
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.send(*[piece] * 1024)


def test_after_a_small_body_a_refused_connection_is_kept(server: Server) -> None:
    request = b"POST /v1/models/energy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
    with Connection(server.url) as connection:
        for _ in range(3):
            connection.send(request, b"x" * 20)
            answer = connection.answer()
            assert (answer.status, answer.closes) == (401, False)


def test_a_refused_call_is_ended_before_its_message_is_sent(server: Server) -> None:
    def never() -> Iterator[bytes]:
        answered.wait(SECONDS)
        yield b""

    answered = Event()
    with Client(server) as client:
        call = client.channel.stream_unary(INFER, None, None)
        with pytest.raises(grpc.RpcError) as error:
            call(never(), timeout=SECONDS)
        answered.set()
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
