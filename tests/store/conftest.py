"""A real server of S3 over a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.store import Store


@pytest.fixture
def gateway(pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a server that is not yet started; processes of a test know of it, and of no other."""
    program = pytestconfig.getoption("--versitygw")
    assert program, "give --versitygw, as the Makefile does"
    store = Store(Path(program), tmp_path / "store")
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
