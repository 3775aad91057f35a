import subprocess
from pathlib import Path

import pytest

from tests.scan import staged
from tests.scan.test_bad import ACCESS_KEY, PASSWORD


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def add(checkout: Path, name: str, text: str) -> None:
    (checkout / name).write_text(text)
    subprocess.run(["git", "add", name], cwd=checkout, check=True)


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{PASSWORD}"',
        f"key: {ACCESS_KEY}",
        f'password = "{PASSWORD}"  # pragma: allowlist secret',
    ],
)
def test_a_staged_secret_is_found(checkout: Path, line: str) -> None:
    add(checkout, "clean.py", "answer = 42\n")
    add(checkout, "settings with spaces.py", f"{line}\n")
    assert [found.place for found in staged.secrets(checkout)] == ["settings with spaces.py:1"]


def test_what_is_not_staged_is_not_looked_at(checkout: Path) -> None:
    (checkout / "mine").write_text(f'password = "{PASSWORD}"\n')
    assert staged.secrets(checkout) == []
    add(checkout, "clean.py", "answer = 42\n")
    assert staged.secrets(checkout) == []
