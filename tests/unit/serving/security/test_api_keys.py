from hashlib import sha256
from pathlib import Path

import pytest

from predictor.errors import SettingsError
from predictor.serving.security import api_keys

KEY = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def test_keys_are_kept_as_digests_alone(file: Path) -> None:
    file.write_text(f"# comment\n\nalice {KEY}\r\nalice\t{KEY}2\n  bob   {KEY}3\n  # {KEY}4")
    expected = {"": "alice", "2": "alice", "3": "bob"}
    assert api_keys.read(file) == {digest(KEY + end): name for end, name in expected.items()}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"alice {KEY[:15]}", "the key has 15 characters, expected 16 to 1024"),
        ("alice", "got 1 words"),
        (f"alice {KEY} # mine", "got 4 words"),
        (f"alice {KEY}é", "not printable ASCII"),
        (f"alice {KEY}\x1b", "not printable ASCII"),
        (f"al\x1b[2Jice {KEY}", "not a short, printable name"),
        (f"{'a' * 257} {KEY}", "not a short, printable name"),
        (f"bob {KEY}-good", "another principal's"),
    ],
)
def test_a_wrong_line_is_named_and_its_key_is_not(file: Path, line: str, said: str) -> None:
    file.write_text(f"# keys\nalice {KEY}-good\n{line}\n")
    with pytest.raises(SettingsError) as error:
        api_keys.read(file)
    assert str(error.value).startswith("API_KEYS_FILE, line 3: ")
    assert said in str(error.value)
    assert KEY[:15] not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"# nobody\n", b"x" * 2**21])
def test_a_file_without_keys_or_of_a_size_that_no_keys_have_is_refused(
    file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE (has no keys|is over)"):
        api_keys.read(file)


def test_no_file_is_refused(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"API_KEYS_FILE cannot be read: No such file"):
        api_keys.read(file)
