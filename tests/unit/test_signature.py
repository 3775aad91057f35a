from pathlib import Path

import pytest

from predictor import bundle, signature
from predictor.errors import BundleError, SettingsError
from predictor.training.pipeline import Trained
from tests.keys import key_pair, openssl


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signed(trained: Trained, keys: tuple[Path, Path], tmp_path: Path) -> Path:
    bundle.write(tmp_path / "b", trained.manifest, trained.files, signature.signer(keys[0]))
    return tmp_path / "b"


def test_a_signed_bundle_is_read_with_its_key(
    signed: Path, keys: tuple[Path, Path], trained: Trained
) -> None:
    read = bundle.read(signed, signature.verifier(keys[1]))
    assert read.manifest == trained.manifest
    assert bundle.read(signed).manifest == trained.manifest


def test_openssl_agrees_with_the_signature(signed: Path, keys: tuple[Path, Path]) -> None:
    pkeyutl = ("pkeyutl", "-verify", "-pubin", "-inkey", keys[1], "-rawin")
    files = ("-in", signed / bundle.MANIFEST, "-sigfile", signed / bundle.SIGNATURE)
    assert openssl(*pkeyutl, *files)


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    _, other = key_pair(tmp_path)
    with pytest.raises(BundleError, match="is not the required key's signature"):
        bundle.read(signed, signature.verifier(other))


@pytest.mark.parametrize("content", [b"", b"x" * 64])
def test_a_broken_signature_is_refused(
    signed: Path, keys: tuple[Path, Path], content: bytes
) -> None:
    (signed / bundle.SIGNATURE).write_bytes(content)
    with pytest.raises(BundleError, match="is not the required key's signature"):
        bundle.read(signed, signature.verifier(keys[1]))


def test_a_changed_manifest_is_refused(signed: Path, keys: tuple[Path, Path]) -> None:
    text = (signed / bundle.MANIFEST).read_text()
    (signed / bundle.MANIFEST).write_text(text.replace('"seed": 42', '"seed": 43'))
    assert bundle.read(signed).manifest.seed == 43
    with pytest.raises(BundleError, match="is not the required key's signature"):
        bundle.read(signed, signature.verifier(keys[1]))


def test_a_bundle_without_a_signature_is_refused(
    bundle_folder: Path, keys: tuple[Path, Path]
) -> None:
    with pytest.raises(BundleError, match="is not signed; sign it with"):
        bundle.read(bundle_folder, signature.verifier(keys[1]))


def test_what_is_no_ed25519_key_is_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    rsa, rsa_public = key_pair(tmp_path, "rsa")
    text = tmp_path / "text"
    text.write_text("secret")
    for path in (rsa, keys[1], text):
        with pytest.raises(SettingsError, match="is not an unencrypted Ed25519 private key"):
            signature.signer(path)
    for path in (rsa_public, keys[0], text):
        with pytest.raises(SettingsError, match="is not an unencrypted Ed25519 public key"):
            signature.verifier(path)


def test_an_encrypted_key_is_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    assert openssl("pkey", "-in", keys[0], "-aes256", "-passout", "pass:x", "-out", locked)
    with pytest.raises(SettingsError, match="is not an unencrypted Ed25519 private key"):
        signature.signer(locked)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    for load in (signature.signer, signature.verifier):
        with pytest.raises(SettingsError, match=r"cannot read the key .*none: No such file"):
            load(tmp_path / "none")
