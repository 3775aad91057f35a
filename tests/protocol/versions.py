"""Clients that ask a server without a pause, and check which version answers, and with what."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import numpy as np

from predictor import graph
from predictor.bundle import MODEL, Manifest
from predictor.serving.grpc import inference_pb2 as pb
from predictor.training.pipeline import Trained
from tests.protocol.process import Server

ROWS = 3
ENDS = ("usage_kwh", "lower", "upper")
V1 = "/v1/models/energy:predict"
V2 = "/v2/models/energy"
INFER = "/inference.GRPCInferenceService/ModelInfer"

# The version that answered, and what it said: the target, lower and upper, each of some rows.
Answer = tuple[str, list[list[float]]]
# Each version's answers to the first rows of the golden ones.
Expected = dict[str, list[list[float]]]


class WrongVersion(Exception):  # noqa: N818 - it is the right answer for a version that has gone
    """The server does not serve the version that was asked for."""


@dataclass
class Asked:
    """What clients asked, by its way; and whatever went wrong."""

    requests: Counter[str] = field(default_factory=Counter)
    versions: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def expected(trained: Trained) -> Expected:
    """Return what a version answers, as the graph by itself says it."""
    columns = matrix(trained.manifest)
    outputs = graph.predict(graph.load(trained.files[MODEL]), trained.manifest.contract, columns)
    return {trained.manifest.version: [end.tolist() for end in outputs[:3]]}


def matrix(manifest: Manifest) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.array(manifest.contract.encode_rows(manifest.golden.rows[:ROWS]), np.float64)


class Ways:
    """The ways to ask, each over a connection of its own."""

    def __init__(self, server: Server, manifest: Manifest) -> None:
        self._server = server
        self._rows = manifest.golden.rows[:ROWS]
        self._matrix = matrix(manifest)
        self._version = manifest.version  # the one that the versioned path is asked for

    def v1(self, client: httpx.Client) -> Answer:
        found = _sent(client.post(V1, json={"instances": self._rows}))
        return found["model_version"], [found[key] for key in ("predictions", "lower", "upper")]

    def plain(self, client: httpx.Client) -> Answer:
        found = _sent(client.post("/predict/batch", json=self._rows))
        names = (f"predicted_{ENDS[0]}", *ENDS[1:])
        numbers = [[row[name] for row in found["predictions"]] for name in names]
        return found["model_version"], numbers

    def v2(self, client: httpx.Client) -> Answer:
        return self._infer(client, f"{V2}/infer")

    def versioned(self, client: httpx.Client) -> Answer:
        """Ask for one version until it has gone; then for the one that is there."""
        try:
            version, numbers = self._infer(client, f"{V2}/versions/{self._version}/infer")
        except WrongVersion:
            [self._version] = _sent(client.get(V2))["versions"]
            raise
        assert version == self._version
        return version, numbers

    def _infer(self, client: httpx.Client, path: str) -> Answer:
        tensor = {"name": "columns", "datatype": "FP64", "shape": list(self._matrix.shape)}
        body = {"inputs": [{**tensor, "data": self._matrix.ravel().tolist()}]}
        found = _sent(client.post(path, json=body))
        data = {output["name"]: output["data"] for output in found["outputs"]}
        return found["model_version"], [data[name] for name in ENDS]

    def grpc(self, channel: grpc.Channel) -> Answer:
        tensor = {"name": "columns", "datatype": "FP64", "shape": self._matrix.shape}
        request = pb.ModelInferRequest(
            model_name="energy", inputs=[tensor], raw_input_contents=[self._matrix.tobytes()]
        )
        answer = channel.unary_unary(INFER, None, None)(request.SerializeToString(), timeout=60)
        found = pb.ModelInferResponse.FromString(answer)
        raw = zip(found.outputs, found.raw_output_contents, strict=True)
        data = {o.name: np.frombuffer(part).tolist() for o, part in raw if o.datatype == "FP64"}
        return found.model_version, [data[name] for name in ENDS]


def _sent(answer: httpx.Response) -> Any:  # noqa: ANN401 - it is JSON
    if answer.status_code == 404:
        assert answer.json()["error"].startswith('got version "')
        raise WrongVersion
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()


@contextmanager
def asking(server: Server, manifest: Manifest, answers: Expected) -> Iterator[Asked]:
    """Ask in every way at once for as long as the context lasts."""
    asked, ends, ways = Asked(), threading.Event(), Ways(server, manifest)

    def over_http(way: Callable[[httpx.Client], Answer]) -> None:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            _keep_asking(way.__name__, lambda: way(client), answers, asked, ends)

    def over_grpc() -> None:
        with grpc.insecure_channel(server.grpc) as channel:
            _keep_asking("grpc", lambda: ways.grpc(channel), answers, asked, ends)

    http = [ways.v1, ways.v2, ways.versioned, ways.plain]
    threads = [threading.Thread(target=over_http, args=[way]) for way in http]
    threads.append(threading.Thread(target=over_grpc))
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def _keep_asking(
    name: str, ask: Callable[[], Answer], answers: Expected, asked: Asked, ends: threading.Event
) -> None:
    while not ends.is_set():
        try:
            version, numbers = ask()
        except WrongVersion:
            asked.requests["of a version that has gone"] += 1
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            asked.failures.append(f"{name}: {error!r}")
        else:
            asked.requests[name] += 1
            asked.versions.add(version)
            if numbers != answers[version]:
                asked.failures.append(f"{name}: {version} said {numbers}")
