"""Alertmanager's word starts a run, and nobody else's does."""

import json
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest

from predictor.retraining import webhook

Content = bytes | AsyncIterator[bytes]

MARK = "only-alertmanager-knows"
ALERT = {
    "status": "firing",
    "labels": {"alertname": "EnergyDrift"},
    "startsAt": "2026-03-02T09:15:00Z",
}
SENT = {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": [ALERT]}


@dataclass
class Prefect:
    keys: list[str] = field(default_factory=list)
    now: datetime = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    is_away: bool = False

    async def start(self, key: str) -> str:
        if self.is_away:
            raise ConnectionError
        self.keys.append(key)
        return f"run-{len(self.keys)}"


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


def post(
    prefect: Prefect, content: bytes | AsyncIterator[bytes], mark: str = MARK
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(
            webhook.application(MARK, prefect.start, lambda: prefect.now)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://loop") as client:
            headers = {"Authorization": f"Bearer {mark}"}
            return await client.post(webhook.PATH, content=content, headers=headers)

    return anyio.run(send)


def sent(**changes: Any) -> bytes:  # noqa: ANN401 - JSON of any kind
    return json.dumps({**SENT, **changes}).encode()


def alert(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**ALERT, **changes}


def test_a_firing_drift_alert_starts_a_run(prefect: Prefect) -> None:
    answer = post(prefect, sent())
    assert (answer.status_code, answer.json()) == (202, {"run": "run-1"})


@pytest.mark.parametrize(
    "alerts",
    [
        [],
        [alert(status="resolved")],
        [alert(labels={"alertname": "EnergyLatencyBudgetBurn"})],
        [alert(labels={})],
    ],
)
def test_what_is_no_firing_drift_alert_starts_none(
    prefect: Prefect, alerts: list[dict[str, Any]]
) -> None:
    answer = post(prefect, sent(alerts=alerts))
    assert (answer.status_code, answer.json()) == (200, {"run": None})
    assert prefect.keys == []


@pytest.mark.parametrize("mark", ["", "only-alertmanager-know", "x" * 10_000])
def test_without_the_secret_nothing_is_even_read(prefect: Prefect, mark: str) -> None:
    assert post(prefect, b"{", mark).status_code == 401
    assert prefect.keys == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", sent(version="5"), sent(alerts=[{"status": 1}])]
)
def test_what_is_not_alertmanagers_is_refused(prefect: Prefect, body: bytes) -> None:
    answer = post(prefect, body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body is not Alertmanager's, of version 4")


def test_a_body_has_a_bound(prefect: Prefect) -> None:
    assert post(prefect, b" " * (webhook.MOST_BYTES + 1)).status_code == 413
    assert post(prefect, sent() + b" " * 200_000).status_code == 202


def test_a_body_that_does_not_come_is_not_waited_for(
    prefect: Prefect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "BODY_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    assert post(prefect, never()).status_code == 408


def test_alertmanager_is_to_try_again_when_prefect_is_away(prefect: Prefect) -> None:
    prefect.is_away = True
    assert post(prefect, sent()).status_code == 503


def test_what_is_told_again_has_the_same_key(prefect: Prefect) -> None:
    for alerts in (
        [alert()],
        [alert(), alert(status="resolved", startsAt="2026-03-04T09:15:00Z")],
        [alert(startsAt="2026-03-03T09:15:00Z")],
    ):
        post(prefect, sent(alerts=alerts))
    first, again, later = prefect.keys
    assert first == again
    assert first != later


def test_what_is_told_again_on_another_day_has_another_key(prefect: Prefect) -> None:
    for hours in (0, 14, 1):
        prefect.now += timedelta(hours=hours)
        post(prefect, sent())
    first, again, later = prefect.keys
    assert first == again
    assert first != later


def test_idle_connections_keep_nobody_out(prefect: Prefect) -> None:
    server = webhook.server(MARK, prefect.start)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as idle:
        address = listener.getsockname()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            for _ in range(40):
                idle.enter_context(socket.create_connection(address))
            url = f"http://127.0.0.1:{address[1]}{webhook.PATH}"
            headers = {"Authorization": f"Bearer {MARK}"}
            answer = httpx.post(url, content=sent(), headers=headers, timeout=60)
        finally:
            idle.close()
            server.should_exit = True
            thread.join()
    assert answer.status_code == 202
