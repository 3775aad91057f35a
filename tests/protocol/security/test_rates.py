"""How often a principal may ask, by all ways together."""

from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.protocol.process import running
from tests.protocol.security.asking import INFER, SECONDS, Client

ALICE, SECOND, BOB = "alice-0123456789", "second-0123456789", "bob-0123456789-bob"


def test_a_principal_has_one_bucket_for_all_its_keys_and_ways(
    bundle_folder: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {ALICE}\nalice {SECOND}\nbob {BOB}\n")
    settings = {"API_KEYS_FILE": str(keys), "RATE_LIMIT": "0.001", "RATE_BURST": "6"}
    with running(bundle_folder, **settings) as server, Client(server) as client:
        assert client.with_key(ALICE) == 200
        assert client.with_key("nobody's") == 401  # which is nobody's request
        assert client.with_key(SECOND) == 200
        assert client.with_key(ALICE) == client.with_key(SECOND) == 429
        answer = client.short({"X-Api-Key": ALICE})
        assert 900 < int(answer.headers["retry-after"]) <= 1000
        assert "too many requests" in answer.json()["error"]
        assert "too many requests" in client.by_grpc({"X-Api-Key": ALICE})[1]
        assert client.with_key(BOB) == 200


def test_without_credentials_the_address_has_a_bucket_and_probes_have_none(
    bundle_folder: Path,
) -> None:
    settings = {"RATE_LIMIT": "0.001", "RATE_BURST": "3"}
    with running(bundle_folder, **settings) as server, Client(server) as client:
        assert client.statuses({}) == {200}
        assert client.statuses({}) == {429}
        assert client.statuses({"X-Forwarded-For": "10.1.2.3", "X-Api-Key": "x"}) == {429}
        for _ in range(20):
            assert client.rest.get("/health").status_code == 200
        with Client(server) as another:
            assert another.statuses({}) == {429}


def test_who_is_told_by_its_connection_is_answered_as_any_other(bundle_folder: Path) -> None:
    with running(bundle_folder, RATE_LIMIT="1000") as server, Client(server) as client:
        infer = client.channel.stream_unary(INFER, None, None)
        for messages, code in (
            ([b"x" * 5_000_000], grpc.StatusCode.RESOURCE_EXHAUSTED),
            ([b"\xff"], grpc.StatusCode.INVALID_ARGUMENT),
            ([], grpc.StatusCode.INVALID_ARGUMENT),
            ([b""], grpc.StatusCode.NOT_FOUND),
        ):
            with pytest.raises(grpc.RpcError) as error:
                infer(iter(messages), timeout=SECONDS)
            assert error.value.code() is code
        services = ProtoReflectionDescriptorDatabase(client.channel).get_services()
        assert "inference.GRPCInferenceService" in services
        assert "ERROR" not in server.log.read_text()


def test_a_bucket_fills_again(bundle_folder: Path) -> None:
    settings = {"RATE_LIMIT": "2", "RATE_BURST": "1"}
    with running(bundle_folder, **settings) as server, Client(server) as client:
        statuses = [client.short({}).status_code for _ in range(5)]
        assert 429 in statuses
        while client.short({}).status_code != 200:
            pass
