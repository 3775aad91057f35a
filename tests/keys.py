"""Keys that OpenSSL made, as an operator makes them."""

import subprocess
from pathlib import Path


def openssl(*arguments: object) -> bool:
    """Return whether a command of OpenSSL went well."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def key_pair(folder: Path, algorithm: str = "ed25519") -> tuple[Path, Path]:
    """Return the files of a private and a public key."""
    private, public = folder / f"{algorithm}.pem", folder / f"{algorithm}.pub.pem"
    assert openssl("genpkey", "-algorithm", algorithm, "-out", private)
    assert openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public
