"""What docs/reference/grpc.md says and shows, against a real server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from predictor.serving.grpc import inference_pb2 as pb
from predictor.serving.grpc.messages import FIELDS
from predictor.serving.grpc.server import SERVICE
from tests.paths import ROOT
from tests.protocol.process import Server, running

TEXT = (ROOT / "docs" / "reference" / "grpc.md").read_text()
ADDRESS = "127.0.0.1:8081"
INFER = f"/{SERVICE.full_name}/ModelInfer"


@pytest.fixture(scope="module")
def server(bundle_folder: Path) -> Iterator[Server]:
    with running(bundle_folder) as server:
        yield server


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first heading is given."""
    lines = TEXT.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields(message: str) -> set[str]:
    """Return the fields that a message has beside the parameters, which all have."""
    return set(pb.DESCRIPTOR.message_types_by_name[message].fields_by_name) - {"parameters"}


def test_every_method_has_its_row_with_the_fields_of_its_messages() -> None:
    documented = table(f"method of `{SERVICE.full_name}`")
    assert [codes(row[0]) for row in documented] == [[method.name] for method in SERVICE.methods]
    for name, request, answer in documented:
        [method] = codes(name)
        assert set(codes(request)) == fields(f"{method}Request")
        assert set(codes(answer)) == fields(f"{method}Response")


def test_every_datatype_has_its_row() -> None:
    documented = {name: codes(field) for names, field in table("datatype") for name in codes(names)}
    assert documented == {"FP16": []} | {name: [field] for name, field in FIELDS.items()}


def test_every_status_is_one_that_there_is() -> None:
    named = [name for row in table("status") for name in codes(row[0])]
    assert len(named) > 5
    assert set(named) <= {status.name for status in grpc.StatusCode}


def test_the_request_by_command_is_answered(server: Server) -> None:
    body = TEXT.split("-d '")[1].split("'")[0]
    request = json_format.Parse(body, pb.ModelInferRequest())
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary(INFER, None, pb.ModelInferResponse.FromString)
        answer: pb.ModelInferResponse = ask(request.SerializeToString(), timeout=10)
    assert answer.outputs[0].contents.fp64_contents[0] == pytest.approx(3.17, abs=0.01)


def test_the_python_that_is_shown_prints_what_is_said(server: Server, tmp_path: Path) -> None:
    protoc = re.search(r"^\$ python (-m grpc_tools.*)$", TEXT, re.MULTILINE)
    assert protoc
    arguments = protoc[1].replace("_out=.", f"_out={tmp_path}").split()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
    code = TEXT.split("```python\n")[1].split("```")[0]
    assert ADDRESS in code
    (tmp_path / "ask.py").write_text(code.replace(ADDRESS, server.grpc))
    result = subprocess.run(
        [sys.executable, "-W", "error", "ask.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    said = dict(line.split() for line in result.stdout.splitlines())
    assert list(said) == ["usage_kwh", "lower", "upper"]
    ends = [float(said[name]) for name in ("lower", "usage_kwh", "upper")]
    assert all(smaller < greater for smaller, greater in pairwise(ends))
    assert ends[1] == pytest.approx(3.17, abs=0.01)


def test_the_service_has_the_address_that_is_said() -> None:
    page = (ROOT / "docs" / "how-to" / "call-from-inside-the-cluster.md").read_text()
    chart = (ROOT / "manifests" / "energy.yaml").read_text()
    ports = re.findall(r"plant\.svc:(\d+)", page)
    assert set(ports) == {"8081"}
    assert "{name: grpc, containerPort: 8081, protocol: TCP}" in chart
