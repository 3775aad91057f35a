"""Commands as one script of bash: a folder, a variable or a server lasts from one to the next."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.commands.pages import PYTHON, Command, bare

LONGEST_SECONDS = 600
# What runs until somebody stops it, as the words begin.
SERVERS = (("make", "run"), ("predictor", "serve"), ("python", "-m", "predictor.serving"))
PREAMBLE = r"""
set -m  # a server is a process group, which is ended as a whole
serving=
end() {  # and wait until the last of its processes is gone, and its port is free
  if [ -n "$serving" ]; then
    kill -- "-$serving" 2>/dev/null
    while kill -0 -- "-$serving" 2>/dev/null; do sleep 0.1; done
    serving=
  fi
}
trap 'end; kill $(jobs -p) 2>/dev/null; wait' EXIT
fail() { echo "failed: $*" >&2; exit 1; }
listens() {  # until something listens at the port, or what was started has ended
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    kill -0 "$2" 2>/dev/null || fail "it ended before port $1 was open"
    sleep 0.1
  done
  fail "nothing listens at port $1"
}
# An answer that is an error is one, and progress is for people.
curl() { command curl --fail-with-body --silent --show-error "$@"; }
# All commands of a pipeline have to go well, but the first may be cut short by a `head` behind it.
went_well() {
  case $1 in 0) ;; 141|23) [ $# -gt 1 ] ;; *) false ;; esac || fail "status $*"
  for status in "${@:2}"; do [ "$status" = 0 ] || fail "status $*"; done
}
"""


@dataclass(frozen=True)
class Ports:
    """Free ports, by the ports that the pages name."""

    by_name: Mapping[str, int]

    def put_into(self, text: str) -> str:
        """Return a command with the free ports, but not for what a forwarded one leads to."""
        for name, port in self.by_name.items():
            text = re.sub(rf"(?<![\d.])(?<!{name}:){name}(?!\d)", str(port), text)
        return text

    def first_of(self, text: str) -> int:
        """Return the port of this machine that a command opens."""
        named = [it for it in self.by_name if re.search(rf"\b{it}\b", text)]
        return self.by_name[named[0] if named else "8080"]


def script(commands: Iterable[Command], ports: Ports, replaced: Mapping[str, str]) -> str:
    """Return the script, which says each command before it runs it."""
    lines = [PREAMBLE]
    for number, command in enumerate(commands):
        text = put_for(replaced, ports.put_into(command.text))
        lines.append(f"cat <<'SAID'\n$ {command.text}\nSAID")
        lines += _run(command, text, ports, number)
    return "\n".join([*lines, "exit 0", ""])


def put_for(replaced: Mapping[str, str], text: str) -> str:
    """Return a command with its names replaced; what is put in stays as it is."""
    names = "|".join(map(re.escape, replaced))
    return re.sub(names, lambda found: replaced[found[0]], text) if names else text


def _run(command: Command, text: str, ports: Ports, number: int) -> list[str]:
    if command.language == PYTHON:
        file = f"shown_{number}.py"
        return [f"cat > {file} <<'CODE'\n{text}\nCODE", f"python {file}", "went_well $?"]
    if any(starts(command, words) for words in SERVERS):
        wait = f"listens {ports.first_of(command.text)} $serving"
        return ["end", f"{{ {text}\n}} &", "serving=$!", wait]
    if text.endswith("&"):
        return [text, f"listens {ports.first_of(command.text)} $!"]
    # What grep looks for in a log may not be there.
    statuses = "$PIPESTATUS" if " | grep " in text else "${PIPESTATUS[@]}"
    return [text, f'went_well "{statuses}"']


def starts(command: Command, words: tuple[str, ...]) -> bool:
    """Whether a command begins with these words, or with the last one's beginning."""
    found = [Path(word).name for word in bare(command.parts[0])[: len(words)]]
    return len(found) == len(words) and all(map(str.startswith, found, words))


def run(text: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Return what the script prints; when a command fails, so does the test, with all of it."""
    with subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        said, _ = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == 0, said
    return said
