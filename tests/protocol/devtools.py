"""Chromium, driven by its DevTools Protocol over two pipes: no port, and no library."""

import base64
import json
import os
import select
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.protocol.browser import OPTIONS, program

# --remote-debugging-pipe reads commands from the one, and writes answers and events to the other.
COMMANDS, ANSWERS = 3, 4
SECONDS = 60
PART_BYTES = 1 << 20


class Tab:
    """A page of a browser: what it says and asks for is kept in `console` and `asked`."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._number = 0
        self._session: str | None = None
        self.console: list[str] = []
        self.asked: list[str] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have a command done, and return its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        """Go to a page; what it waits for is another question."""
        self.do("Page.navigate", url=url)

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Return what an expression of the page's is, or what it promises."""
        found = self.do(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a condition of the page's holds."""
        deadline = time.monotonic() + SECONDS
        look = f"""new Promise((done) => {{
            let looks = 0;
            const look = () => {{
                let holds = false;
                try {{ holds = Boolean({condition}); }} catch {{ /* not there yet */ }}
                if (holds || ++looks > 50) done(holds); else setTimeout(look, 20);
            }};
            look();
        }})"""
        while not self.value(look):
            shown = self.value("document.body.innerText")
            assert time.monotonic() < deadline, f"{condition} never held: {shown}"

    def press(self, key: str) -> None:
        """Press a key, such as ArrowRight, where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, **_codes(key))

    def type(self, selector: str, text: str) -> None:
        """Replace the text of a field by another, as one types it."""
        self.value(f"document.querySelector({json.dumps(selector)}).select()")
        self.do("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Show the page in a window of so many pixels."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def language(self, code: str) -> None:
        """Let the page think that this is the browser's language."""
        agent = self.value("navigator.userAgent")
        self.do("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=code)

    def image(self) -> bytes:
        """Return the whole page as PNG."""
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def _note(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        elif event["method"] == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(each.get("value")) for each in given["args"]))
        elif event["method"] == "Runtime.exceptionThrown":
            self.console.append(json.dumps(given["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded":
            self.console.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._received:
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self._answers], [], [], left)[0], "the browser does not answer"
            part = os.read(self._answers, PART_BYTES)
            assert part, "the browser has ended"
            self._received += part
        first, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


def _codes(key: str) -> dict[str, object]:
    codes = {"Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
    text = {"text": "\r"} if key == "Enter" else {}
    return {"windowsVirtualKeyCode": codes[key], **text}


@contextmanager
def chromium() -> Iterator[Tab]:
    """Yield an empty page of a browser of its own, which can reach no host but this one."""
    path = program()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        to_read, to_command = os.pipe()
        to_hear, to_answer = os.pipe()
        log = str(Path(profile, "log"))
        options = (
            *OPTIONS,
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
            "--hide-scrollbars",
        )
        process = os.posix_spawn(
            path,
            [path, *options, "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, to_read, COMMANDS),
                (os.POSIX_SPAWN_DUP2, to_answer, ANSWERS),
            ],
        )
        os.close(to_read)
        os.close(to_answer)
        try:
            yield Tab(to_command, to_hear)
        finally:
            os.close(to_command)  # which ends it
            _drain(to_hear)
            os.close(to_hear)
            os.waitpid(process, 0)


def _drain(answers: int) -> None:
    """Read to the end, which is the browser's."""
    while select.select([answers], [], [], SECONDS)[0] and os.read(answers, PART_BYTES):
        pass
