"""Prints what looks like a secret in what is about to be committed: `python -m tests.scan.staged`.

It ends with 1 when there is something that is no exception. `make scan` looks at all files.
"""

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT
from tests.scan import scanners
from tests.scan.exceptions import uncovered
from tests.scan.scanners import Finding


def staged(checkout: Path) -> list[str]:
    """Return the files that a commit would add or change."""
    command = ["git", "diff", "--cached", "--name-only", "--diff-filter=d", "-z"]
    result = subprocess.run(command, cwd=checkout, capture_output=True, check=True)
    return [name for name in result.stdout.decode().split("\0") if name]


def secrets(checkout: Path) -> list[Finding]:
    """Return the lines of those files that look like secrets, but for the exceptions."""
    files = staged(checkout)
    # Without a file named it would look at all.
    return uncovered("detect-secrets", scanners.detect_secrets(checkout, *files)) if files else []


def main() -> None:
    """Print each line without what it holds, as logs are kept longer than secrets should be."""
    found = secrets(ROOT)
    for finding in found:
        sys.stderr.write(f"{finding.place}: looks like a secret: {finding.rule}\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
