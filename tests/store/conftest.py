"""A real server of S3 over a folder, with a bucket `plant`."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest

from predictor.contract import Contract
from predictor.training.dataset import Dataset
from stack.services import Service
from tests.servers import free_port, running
from tests.unit.scoring.conftest import Rows, jittered

KEY = "plant"
SECRET = token_hex()


@dataclass(frozen=True)
class Store:
    """A server of S3, whose objects are files of a folder, so that tests read them without it."""

    service: Service
    folder: Path

    @property
    def bucket(self) -> Path:
        return self.folder / "objects" / "plant"

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells a client of it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.service.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def serving(self) -> AbstractContextManager[None]:
        return running(self.service, self.folder)


@pytest.fixture(scope="session")
def rows(month: Dataset, contract: Contract) -> Rows:
    """Return jittered rows."""
    return jittered(month, contract)


@pytest.fixture
def gateway(pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a server that is not yet started; processes of a test know of it, and of no other."""
    program = pytestconfig.getoption("--versitygw")
    assert program, "give --versitygw, as the Makefile does"
    folder, port = tmp_path / "store", free_port()
    (folder / "objects" / "plant").mkdir(parents=True)
    options = ("--port", f"127.0.0.1:{port}", "--health", "/healthy", "--quiet")
    command = (str(Path(program).absolute()), *options, "posix", str(folder / "objects"))
    root = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    store = Store(Service("versitygw", port, command, "/healthy", root), folder)
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in store.variables.items():
        monkeypatch.setenv(name, value)
    return store


@pytest.fixture
def store(gateway: Store) -> Iterator[Store]:
    """Return a server that runs."""
    with gateway.serving():
        yield gateway
