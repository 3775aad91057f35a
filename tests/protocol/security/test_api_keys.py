"""API keys, by every way, and their rotation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.process import Server, running
from tests.protocol.security.asking import Client, gets, until
from tests.protocol.security.credentials import flip

KEY, OTHER, NEW = "alice-0123456789", "bob-0123456789-bob", "new-0123456789-new"
KEYS = f"# who may ask\nalice {KEY}\nbob {OTHER}\nalice second-0123456789\n"


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEYS)
    with running(bundle_folder, API_KEYS_FILE=str(keys)) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {OTHER}"},
        {"Authorization": "Bearer second-0123456789"},
        {"X-Api-Key": KEY},
        {"Authorization": "Basic YTpi", "X-Api-Key": KEY},
    ],
)
def test_a_key_lets_in_by_every_way(client: Client, headers: dict[str, str]) -> None:
    assert client.statuses(headers) == {200}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY.upper()}"},
        {"Authorization": "Bearer alice"},
        {"Authorization": "Bearer x", "X-Api-Key": KEY},
        {"X-Api-Key": "x" * 5000},
    ],
)
def test_nothing_else_does(client: Client, headers: dict[str, str]) -> None:
    assert client.statuses(headers) == {401}


def test_a_refusal_says_what_to_send_and_not_what_is_here(client: Client) -> None:
    for answer in (client.short({}), client.long({}), client.rest.get("/nothing")):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"].startswith("credentials are needed")
    assert client.by_grpc({})[1].startswith("credentials are needed")


def test_refusals_are_counted_by_their_reason(client: Client) -> None:
    def counted(reason: str) -> float:
        text = client.rest.get("/metrics", headers={"X-Api-Key": KEY}).text
        name = f'predictor_denied_total{{reason="{reason}"}} '
        return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))

    before = counted("missing"), counted("invalid")
    client.statuses({})
    client.statuses({"X-Api-Key": "nobody's"})
    client.statuses({"X-Api-Key": KEY})
    assert (counted("missing"), counted("invalid")) == (before[0] + 3, before[1] + 3)


def replace(file: Path, content: bytes) -> None:
    """Put a file in another's place in one step."""
    beside = file.with_name("beside")
    beside.write_bytes(content)
    beside.rename(file)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("way", ["file", "link"])
def test_keys_are_rotated_by_changing_their_file(
    bundle_folder: Path, tmp_path: Path, way: str, workers: str
) -> None:
    def put(content: bytes) -> None:
        flip(tmp_path, keys=content) if way == "link" else replace(tmp_path / "keys", content)

    put(f"alice {KEY}\n".encode())
    settings = {"API_KEYS_FILE": str(tmp_path / "keys"), "WORKERS": workers}
    with running(bundle_folder, **settings) as server:
        # A connection for each question: any of the workers answers.
        assert gets(server, KEY, 200)
        assert gets(server, NEW, 401)
        put(f"alice {KEY}\nalice {NEW}\n".encode())
        until(lambda: gets(server, NEW, 200))
        assert gets(server, KEY, 200)
        put(f"alice {NEW}\n".encode())
        until(lambda: gets(server, KEY, 401))
        assert gets(server, NEW, 200)


def test_a_broken_or_vanished_file_keeps_the_last_keys_loudly(
    bundle_folder: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    with running(bundle_folder, API_KEYS_FILE=str(keys)) as server, Client(server) as client:
        for content, said in (
            (f"alice {NEW}\nbob short\n", "line 2: the key has 5 characters"),
            ("", "API_KEYS_FILE has no keys"),
            ("\x00\xff\n", "API_KEYS_FILE, line 1"),
        ):
            replace(keys, content.encode("latin-1"))
            until(lambda said=said: said in server.log.read_text())  # type: ignore[misc]
            assert (client.with_key(KEY), client.with_key(NEW)) == (200, 401)
        keys.unlink()
        until(lambda: "cannot be read: No such file" in server.log.read_text())
        assert client.with_key(KEY) == 200
        assert server.log.read_text().count("ERROR") == 4
        keys.write_text(f"alice {NEW}\n")
        until(lambda: client.with_key(NEW) == 200)
        assert client.with_key(KEY) == 401
        assert "API_KEYS_FILE was read anew" in server.log.read_text()
