"""What a pod is asked is found in the files that the chart has it write."""

import httpx
import msgspec
import pytest

from predictor.captured import FILES, Line
from predictor.contract import Contract
from tests.e2e.cluster import Namespace, wait_for
from tests.e2e.serving import PREDICT, manifest_of

pytestmark = pytest.mark.usefixtures("thorough")
FOLDER = "/var/lib/predictor/capture"
TIMES = 20
# One pod, which gets every request; each of its two workers writes files of its own.
VALUES = {
    "capture.enabled": "true",
    "capture.ratio": "1",
    "autoscaling.enabled": "false",
    "replicas": "1",
    "podDisruptionBudget.enabled": "false",
    "workers": "2",
}


def captured(namespace: Namespace) -> list[Line]:
    """Return the lines that are whole; there may be no file yet."""
    content = namespace.execute("sh", "-c", f"cat {FOLDER}/{FILES} 2>/dev/null || true")
    lines = content[: content.rfind("\n") + 1].splitlines()
    return [msgspec.json.decode(line, type=Line) for line in lines]


def pairs(lines: list[Line], contract: Contract) -> list[tuple[list[float], float | str]]:
    """Return each captured row, as the numbers that the graph is fed, with its prediction."""
    return [
        (contract.encode_rows([dict(zip(contract.names, row, strict=True))])[0], prediction)
        for line in lines
        for row, prediction in zip(line.rows, line.predictions, strict=True)
    ]


def test_every_row_that_was_asked_is_in_the_files_with_its_prediction(
    empty_namespace: Namespace, image: str, rendering: dict[str, str]
) -> None:
    empty_namespace.install(image, {**VALUES, **rendering})
    manifest = manifest_of(empty_namespace)
    asked = manifest.golden.rows
    with empty_namespace.port_forward(80) as address:
        for _ in range(TIMES):  # over a connection each: both workers get some
            answer = httpx.post(f"http://{address}{PREDICT}", json={"instances": asked})
            answer.raise_for_status()
    predictions = answer.json()["predictions"]

    wait_for(
        lambda: sum(len(line.rows) for line in captured(empty_namespace)) >= TIMES * len(asked),
        "the pod to write what it was asked",
    )
    lines = captured(empty_namespace)
    rows = manifest.contract.encode_rows(asked)
    wanted = sorted(zip(rows, predictions, strict=True))
    assert sorted(pairs(lines, manifest.contract)) == sorted(wanted * TIMES)
    assert {line.version for line in lines} == {manifest.version}
    [pod] = empty_namespace.pods()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
