"""Asking what the chart installed, and what it says that it was asked."""

from itertools import chain

import grpc
import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from predictor.bundle import Manifest
from predictor.serving.grpc import inference_pb2 as pb
from tests.e2e.cluster import Namespace, run

PREDICT = "/v1/models/energy:predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
REQUESTS = "predictor_requests_total"
PREDICTIONS = ((PREDICT, "POST", "200"), (INFER, "GRPC", "OK"))


def manifest_of(namespace: Namespace) -> Manifest:
    """Return the manifest of the bundle in the image of the serving pods."""
    return msgspec.json.decode(namespace.execute("cat", "/bundle/bundle.json"), type=Manifest)


def infer(address: str, manifest: Manifest) -> pb.ModelInferResponse:
    """Return the answer to the golden rows, over a connection of its own."""
    rows = manifest.contract.encode_rows(manifest.golden.rows)
    matrix = pb.ModelInferRequest.InferInputTensor(
        name="rows",
        datatype="FP64",
        shape=[len(rows), len(rows[0])],
        contents=pb.InferTensorContents(fp64_contents=chain.from_iterable(rows)),
    )
    request = pb.ModelInferRequest(model_name=manifest.name, inputs=[matrix])
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, own) as channel:
        ask = channel.unary_unary(INFER, None, pb.ModelInferResponse.FromString)
        answer: pb.ModelInferResponse = ask(request.SerializeToString(), timeout=10)
    return answer


def ask_both(client: httpx.Client, grpc_address: str, manifest: Manifest, times: int) -> None:
    """Ask for the golden rows by both protocols, over a connection each: every worker gets some."""
    for _ in range(times):
        url = client.base_url.join(PREDICT)
        httpx.post(url, json={"instances": manifest.golden.rows}).raise_for_status()
        infer(grpc_address, manifest)


def predicted(namespace: Namespace) -> float:
    """Return how often the pods say that they predicted; Prometheus may not have asked them yet."""
    pods = [pod["metadata"]["name"] for pod in namespace.pods()]
    return sum(_predicted(f"/api/v1/namespaces/{namespace.name}/pods/{pod}") for pod in pods)


def _predicted(pod: str) -> float:
    exposition = run("kubectl", "get", "--raw", f"{pod}:8080/proxy/metrics")
    samples = [s for f in text_string_to_metric_families(exposition) for s in f.samples]
    return sum(
        s.value
        for s in samples
        if s.name == REQUESTS
        and (s.labels["route"], s.labels["method"], s.labels["code"]) in PREDICTIONS
    )
