"""The same question by every way there is: the short one, the long one, and gRPC."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import grpc
import httpx
import numpy as np

from predictor.serving.grpc import inference_pb2 as pb
from predictor.training.columns import CONTRACT
from tests.conftest import ROW
from tests.protocol.process import Server
from tests.protocol.security.credentials import Certified

PREDICT = "/v1/models/energy:predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SECONDS = 30
STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}


@dataclass
class Client:
    """Asks a server; with an authority over TLS, and with a certificate if it has one."""

    server: Server
    authority: Certified | None = None
    certificate: Certified | None = None
    rest: httpx.Client = field(init=False)
    channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        verify = self._context() if self.authority else False
        self.rest = httpx.Client(base_url=self.server.url, verify=verify, timeout=SECONDS)
        self.channel = self._channel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest.close()
        self.channel.close()

    def _context(self) -> ssl.SSLContext:
        assert self.authority
        context = ssl.create_default_context(cafile=self.authority.cert_file)
        if self.certificate:
            context.load_cert_chain(*self.certificate.pair)
        return context

    def _channel(self) -> grpc.Channel:
        if not self.authority:
            return grpc.insecure_channel(self.server.grpc)
        pair = self.certificate and (
            self.certificate.key_file.read_bytes(),
            self.certificate.cert_file.read_bytes(),
        )
        credentials = grpc.ssl_channel_credentials(
            self.authority.cert_file.read_bytes(), *(pair or (None, None))
        )
        return grpc.secure_channel(self.server.grpc, credentials)

    def short(self, headers: Mapping[str, str]) -> httpx.Response:
        return self.rest.post(PREDICT, json={"instances": [ROW]}, headers=dict(headers))

    def long(self, headers: Mapping[str, str]) -> httpx.Response:
        return self.rest.get("/models", headers=dict(headers))

    def by_grpc(self, headers: Mapping[str, str]) -> tuple[int, str]:
        """Return a status, as HTTP has it, and what is said to it."""
        codes = np.array(CONTRACT.encode_rows([ROW]))
        tensor = {"name": "rows", "datatype": "FP64", "shape": [1, 8]}
        request = pb.ModelInferRequest(
            model_name="energy", inputs=[tensor], raw_input_contents=[codes.tobytes()]
        )
        infer = self.channel.unary_unary(INFER, None, pb.ModelInferResponse.FromString)
        metadata = tuple((name.lower(), value) for name, value in headers.items())
        try:
            infer(request.SerializeToString(), timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return STATUSES[error.code()], str(error.details())
        return 200, ""

    def statuses(self, headers: Mapping[str, str]) -> set[int]:
        """Return the statuses by all ways, which should be one."""
        rest = {self.short(headers).status_code, self.long(headers).status_code}
        return rest | {self.by_grpc(headers)[0]}

    def with_key(self, key: str) -> int:
        """Return the one status that a key or token gets by all ways, or 0 if they disagree."""
        found = self.statuses({"Authorization": f"Bearer {key}"})
        return found.pop() if len(found) == 1 else 0


def gets(server: Server, key: str, expected: int) -> bool:
    """Tell whether a key or token gets a status from every worker, which new connections find."""
    found = set()
    for _ in range(6):
        with Client(server) as client:
            found.add(client.with_key(key))
    return found == {expected}


def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for a condition; it must come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
