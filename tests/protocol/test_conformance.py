"""The rules of KServe's protocols, on our server and on servers that break them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from predictor import bundle, cli
from predictor.bundle import Manifest
from predictor.conformance import client, runner, sample
from predictor.conformance.runner import CASES, Result
from predictor.conformance.subject import Subject
from tests.protocol.faults import inference, transport, v1, v2
from tests.protocol.faults.altering import Fault, faulty
from tests.protocol.process import Server

FAULTS = (*v1.FAULTS, *v2.FAULTS, *inference.FAULTS, *transport.FAULTS)
# What only a sample with a matrix can ask.
OF_A_MATRIX = {"v2.infer.nested", "v2.infer.input.data.ragged"}


def failed(results: list[Result]) -> set[str]:
    return {result.case.id for result in results if result.outcome == "FAIL"}


def skipped(results: list[Result]) -> set[str]:
    return {result.case.id for result in results if result.outcome == "skipped"}


@pytest.fixture(scope="session")
def subject(server: Server, bundle_folder: Path) -> Subject:
    rows = sample.of_bundle(bundle.read(bundle_folder))
    return Subject(client.client(server.url, 10), "energy", rows)


@pytest.fixture(scope="session")
def matrix(server: Server, manifest: Manifest) -> Subject:
    rows = manifest.golden.rows[:3]
    codes = manifest.contract.encode_rows(rows)
    tensor = sample.Tensor("rows", [3, 8], "FP64", list(codes))
    rows_of_arrays = sample.Sample([list(row.values()) for row in rows], [tensor])
    return Subject(client.client(server.url, 10), "energy", rows_of_arrays)


def test_our_server_keeps_every_rule(subject: Subject) -> None:
    results = list(runner.run(subject))
    assert failed(results) == set()
    assert skipped(results) == {"v2.infer.model-version.unversioned"} | OF_A_MATRIX
    runner.require_kept(results)


def test_our_server_keeps_the_rules_of_a_matrix(matrix: Subject) -> None:
    results = list(runner.run(matrix))
    # Metadata tell of columns; that a matrix may come instead, under any name, they cannot.
    assert failed(results) == {"v2.model-metadata.inputs", "v2.infer.unknown-input"}
    assert skipped(results) == {"v2.infer.model-version.unversioned"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fails_the_rules_that_it_breaks_and_no_others(
    subject: Subject, fault: Fault
) -> None:
    wrong = Subject(faulty(subject.client, fault), subject.model, subject.sample)
    expected = {case.id for case in CASES if fault.is_expected(case.id)}
    assert failed(list(runner.run(wrong))) == expected - OF_A_MATRIX


@pytest.mark.parametrize("fault", inference.OF_A_MATRIX, ids=lambda fault: fault.name)
def test_a_fault_with_matrices_fails_its_rule(matrix: Subject, fault: Fault) -> None:
    wrong = Subject(faulty(matrix.client, fault), matrix.model, matrix.sample)
    (case,) = [case for case in CASES if fault.is_expected(case.id)]
    assert runner.judge(case, matrix).outcome == "pass"
    assert runner.judge(case, wrong).outcome == "FAIL"


def test_every_rule_is_broken_by_a_fault() -> None:
    faults = (*FAULTS, *inference.OF_A_MATRIX)
    assert [c.id for c in CASES if not any(fault.is_expected(c.id) for fault in faults)] == []


def test_rules_are_named_once_and_stand_on_a_source() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids) > 100
    assert [case.id for case in CASES if not (case.rule.endswith(".") and case.source)] == []


def test_the_command_prints_each_rule_and_a_summary(
    server: Server, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["conformance", server.url, "--bundle", str(bundle_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pass    MUST    v2.infer.id" in lines
    assert lines[-1].startswith(f"{len(CASES)} rules: ")
    assert "0 MUST and" in lines[-1]


def test_the_command_gives_programs_json(
    server: Server, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--bundle", str(bundle_folder), "--json", "--protocol", "v1"]
    assert cli.main(["conformance", server.url, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {rule["id"] for rule in found} == {c.id for c in CASES if c.id.startswith("v1.")}
    assert {rule["outcome"] for rule in found} <= {"pass", "fail"}


def test_without_a_sample_only_what_needs_none_is_asked(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["conformance", server.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pass    MUST    v2.model-metadata" in lines
    reason = "no sample request has inputs: give --request or --bundle"
    assert f"skipped MUST    v2.infer: {reason}" in lines


def test_a_request_of_ones_own_is_a_sample(
    server: Server, row: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "request.json").write_text(json.dumps({"instances": [row]}))
    options = ["--request", str(tmp_path / "request.json"), "--protocol", "v1"]
    assert cli.main(["conformance", server.url, *options]) == 0
    assert "pass    MUST    v1.predict" in capsys.readouterr().out.splitlines()


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """Yield the URL of a server of files."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_keeps_nothing_is_an_error(
    tmp_path: Path, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files(tmp_path) as url:
        assert cli.main(["conformance", url, "--bundle", str(bundle_folder)]) == 1
        shown = capsys.readouterr()
        assert "FAIL    MUST    v1.models" in shown.out
        assert "GET /v1/models: 404 <!DOCTYPE HTML> <html" in shown.out
        assert shown.err.startswith("predictor: the server breaks what it must keep: v1.models, ")
        assert cli.main(["conformance", url]) == 1
        assert "does not tell its models, give --model: GET /v1" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_one_sentence(
    bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--bundle", str(bundle_folder), "--timeout", "2"]
    assert cli.main(["conformance", "http://127.0.0.1:9", *options]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("predictor: GET /v2/health/live: no answer: ")
