"""What a scrape of a real server tells, by one worker and by several."""

import re
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from predictor import bundle
from predictor.contract import Row
from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.processes import memory
from predictor.training.dataset import Dataset
from tests.docs.test_docs import REFERENCE, rows
from tests.protocol.process import Server, running
from tests.protocol.security.asking import until

PREDICT = "/v1/models/energy:predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
# What Python says of itself.
OTHERS = "python_"


@pytest.fixture(scope="module", params=["1", "2"])
def server(request: pytest.FixtureRequest, bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder, WORKERS=request.param) as server:
        yield server


def scraped(server: Server) -> dict[str, Metric]:
    text = httpx.get(f"{server.url}/metrics").text
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def total(server: Server, name: str, **labels: str) -> float:
    """Return the sum of all samples of a name that have some labels."""
    return sum(
        sample.value
        for metric in scraped(server).values()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_the_reference_tells_of_all_that_is_scraped_and_of_nothing_else(
    server: Server, row: Row
) -> None:
    httpx.post(server.url + PREDICT, json={"instances": [row]}).raise_for_status()
    found = scraped(server)
    documented = {
        cells[0].strip("`").removesuffix("_total"): (cells[1], set(re.findall("`(.+?)`", cells[2])))
        for cells in rows(REFERENCE / "metrics.md")
    }
    names = {name for name in found if not name.startswith(OTHERS)}
    assert names == documented.keys()
    for name in names:
        kind, labels = documented[name]
        assert found[name].type == kind
        of_samples = {key for sample in found[name].samples for key in sample.labels}
        assert of_samples - {"le"} <= labels


def test_rows_of_all_workers_are_in_the_bins_that_they_belong_to(
    bundle_folder: Path, dataset: Dataset
) -> None:
    manifest = bundle.read(bundle_folder).manifest
    assert manifest.profile
    # So many are few enough for every one to be looked at, however fast they come.
    columns = dataset.columns[:240]
    asked = [columns[start : start + 6] for start in range(0, len(columns), 6)]
    with running(bundle_folder, WORKERS="2") as server:
        for part in asked:  # a connection each, so that every worker gets some
            rows_of = [_row(manifest, cells) for cells in part.tolist()]
            httpx.post(server.url + PREDICT, json={"instances": rows_of}).raise_for_status()
        counted = "predictor_drift_rows_total"
        until(lambda: total(server, counted, column="nsm") == len(columns))
        found = scraped(server)["predictor_drift_rows"].samples
    for place, bins in enumerate(manifest.profile.bins[:-1]):
        exact = dict(zip(bins.labels, bins.count(columns[:, place]).tolist(), strict=True))
        assert exact == {s.labels["bin"]: s.value for s in found if s.labels["column"] == bins.name}
    target = manifest.profile.bins[-1].name
    assert sum(s.value for s in found if s.labels["column"] == target) == len(columns)


def _row(manifest: bundle.Manifest, cells: list[float]) -> Row:
    pairs = zip(manifest.contract.columns, cells, strict=True)
    return {column.name: column.decode(cell) for column, cell in pairs}


def test_a_refused_request_is_counted_by_its_column_in_every_protocol(
    server: Server, row: Row
) -> None:
    def refused() -> list[float]:
        columns = ("nsm", "co2", "other")
        return [total(server, "predictor_input_errors_total", column=name) for name in columns]

    before = refused()
    wrong, unknown = row | {"nsm": -1}, row | {"made_up": 1}
    lacking = {name: value for name, value in row.items() if name != "co2"}
    tensors = [
        {"name": name, "datatype": "BYTES" if type(value) is str else "FP64", "shape": [1]}
        for name, value in lacking.items()
    ]
    with_data = [tensor | {"data": [lacking[str(tensor["name"])]]} for tensor in tensors]
    call = pb.ModelInferRequest(model_name="energy", inputs=tensors).SerializeToString()
    url = server.url
    assert httpx.post(url + PREDICT, json={"instances": [wrong]}).status_code == 400
    assert httpx.post(url + "/predict", json=wrong).status_code == 422
    assert httpx.post(url + PREDICT, json={"instances": [lacking]}).status_code == 400
    infer = url + "/v2/models/energy/infer"
    assert httpx.post(infer, json={"inputs": with_data}).status_code == 400
    with (
        grpc.insecure_channel(server.grpc) as channel,
        pytest.raises(grpc.RpcError, match="input co2: got nothing"),
    ):
        channel.unary_unary(INFER, None, None)(call, timeout=10)
    assert httpx.post(url + PREDICT, json={"instances": [unknown]}).status_code == 400
    assert refused() == [before[0] + 2, before[1] + 3, before[2] + 1]


def test_every_request_is_timed_under_its_route(server: Server, row: Row) -> None:
    of_route = {"protocol": "http", "route": PREDICT}
    before = total(server, "predictor_requests_total", **of_route)
    for _ in range(10):
        httpx.post(server.url + PREDICT, json={"instances": [row]}).raise_for_status()
    after = total(server, "predictor_requests_total", **of_route)
    assert after == before + 10
    until(lambda: total(server, "predictor_request_seconds_count", **of_route) == after)
    assert total(server, "predictor_request_seconds_bucket", **of_route, le="+Inf") == after


def test_no_client_can_make_up_a_label(server: Server, row: Row) -> None:
    def label_values() -> Counter[str]:
        metrics = scraped(server).values()
        return Counter(value for m in metrics for s in m.samples for value in s.labels.values())

    httpx.post(server.url + PREDICT, json={"instances": [row | {"nsm": -1}]})
    httpx.get(f"{server.url}/nothing")
    httpx.request("PATCH", f"{server.url}/v2")
    for number in range(20):
        made_up = f"made-up-{number}"
        httpx.get(f"{server.url}/{made_up}")
        httpx.post(f"{server.url}/v2/models/{made_up}/infer", json={})
        httpx.get(f"{server.url}/v2/models/energy/versions/{made_up}")
        httpx.post(server.url + PREDICT, json={"instances": [row | {made_up: 1}]})
        httpx.request(made_up.upper(), server.url + PREDICT)
    assert not [value for value in label_values() if "made-up" in value.lower()]


def test_the_process_is_seen(server: Server) -> None:
    def is_seen() -> bool:
        found = scraped(server)
        return all(
            found[name].samples[0].value > 0
            for name in ("process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds")
        )

    until(is_seen)
    until(lambda: total(server, "predictor_event_loop_lag_seconds_count") > 0)
    created, loaded = (
        total(server, f"predictor_model_{what}_timestamp_seconds") for what in ("created", "loaded")
    )
    assert 0 < created < loaded


def test_all_that_is_counted_has_room_in_the_files(bundle_folder: Path, row: Row) -> None:
    """More would make them grow, when there may be no memory left to grow in."""
    with running(bundle_folder, WORKERS="2") as server:
        before = set(memory.MEMORY.glob(f"{memory.PREFIX}*"))
        for path in (PREDICT, "/v2/models/energy/infer", "/predict", "/predict/batch"):
            httpx.post(server.url + path, json={"instances": [row]})
        for path in ("/health", "/health/ready", "/models", "/docs", "/v2", "/v1/models", "/x"):
            httpx.get(server.url + path)
        [folder] = [f for f in before if _is_of(f, server.process.pid)]
        for file in folder.glob("*.db"):
            assert file.stat().st_size == memory.FILE_BYTES
            assert struct.unpack("i", file.read_bytes()[:4])[0] < memory.FILE_BYTES * 0.75


def _is_of(folder: Path, pid: int) -> bool:
    """Tell whether a process has a folder locked, by its open descriptors."""
    descriptors = Path(f"/proc/{pid}/fd").iterdir()
    return any(each.readlink() == folder for each in descriptors)


def test_failures_of_predictions_are_counted_from_0_on(bundle_folder: Path) -> None:
    """A rate sees no rise in a counter that comes into being with the first of them."""
    with running(bundle_folder, WORKERS="2") as server:
        samples = scraped(server)["predictor_requests"].samples
    found = {(s.labels["route"], s.labels["code"]): s.value for s in samples}
    rest = (PREDICT, "/v2/models/energy/infer", "/predict", "/predict/batch")
    expected = {(route, code): 0.0 for route in rest for code in ("200", "500", "503")}
    expected |= {(INFER, code): 0.0 for code in ("OK", "INTERNAL", "UNAVAILABLE")}
    assert expected.items() <= found.items()
