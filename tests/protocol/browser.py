"""A page as Chromium shows it, in a profile of its own and with no host to reach but this one."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.missing import missing

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",  # which root has not
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
)
# Of the page's own clock, which waits for what it loads.
BUDGET = "--virtual-time-budget=30000"
LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Shown:
    """The document as scripts left it, what they said, and which URLs the page asked for."""

    document: str
    console: list[str]
    asked: list[str]


def program() -> str:
    """Return the browser's path, without which a test is skipped."""
    return next(filter(None, map(shutil.which, NAMES)), None) or missing(
        "chromium is not installed"
    )


def show(url: str) -> Shown:
    path = program()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile, "network.json")
        own = (f"--user-data-dir={profile}", f"--log-net-log={log}")
        command = (path, *OPTIONS, BUDGET, *own, "--dump-dom", url)
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
        )
        assert result.returncode == 0, result.stderr
        events = json.loads(log.read_text())["events"]
    console = re.findall(r"CONSOLE\S* (.*)", result.stderr)
    requests = [event.get("params", {}) for event in events]
    # What the browser asks for on its own account has no origin.
    asked = [r["url"] for r in requests if "://" in r.get("initiator", "") and "url" in r]
    return Shown(result.stdout, console, asked)
