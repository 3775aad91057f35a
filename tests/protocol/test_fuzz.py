"""The fuzzer for a moment; `make fuzz` is the same for as long as one likes."""

import subprocess
import sys
from importlib.util import find_spec
from random import Random

from predictor.serving.decoding.batch import Batch
from tests.fuzz import decoders
from tests.fuzz.requests import send
from tests.missing import missing
from tests.protocol.process import Server

CASES = 2000
SECONDS = 60


def test_nothing_but_invalid_input_escapes_a_decoder() -> None:
    if not find_spec("atheris"):
        missing("atheris is for Linux")
    command = [sys.executable, "-m", "tests.fuzz"]
    started = [
        subprocess.Popen([*command, target, str(CASES)], stderr=subprocess.PIPE, text=True)
        for target in decoders.READ
    ]
    for target, process in zip(decoders.READ, started, strict=True):
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said
        assert f"{target}: {{" in said
        assert f"number_of_executed_units: {CASES}\n" in said


def test_cases_are_made_of_rows_that_are_taken() -> None:
    for target, read in decoders.READ.items():
        for seed in range(20):
            assert isinstance(read(decoders.made(target, Random(seed))), Batch)


def test_whatever_is_sent_to_a_server_is_answered_and_never_its_own_fault(server: Server) -> None:
    statuses = send(server.url, 1000, seed=1)
    assert statuses.total() == 1000
    assert statuses.keys() >= {200, 400, 404, 415}
