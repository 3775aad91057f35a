"""The OpenAPI document against the server, by requests that schemathesis makes of it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode

from tests.protocol.process import Server

READS = [("GET", "/health"), ("GET", "/health/ready"), ("GET", "/models")]
WRITES = [("POST", "/predict"), ("POST", "/predict/batch")]
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
EXAMPLES = 25


@pytest.fixture(scope="module")
def document(server: Server) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_all_operations_are_asked_for(document: BaseSchema) -> None:
    found = {(m.upper(), path) for path, item in document.items() for m in item}
    assert found == {*READS, *WRITES}


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((*operation, RIGHT) for operation in READS + WRITES),
        *((*operation, WRONG) for operation in WRITES),  # nothing is wrong with a GET
    ],
)
def test_every_answer_is_one_that_the_document_allows(
    document: BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document[path][method]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        case.call_and_validate()

    check()
