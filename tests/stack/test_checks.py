"""A check fails when what it asks for is not so: of Grafana, and of Prometheus, by stand-ins."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stack.asking import ask
from stack.checks import FAILURES, checks_of, rule_groups
from stack.services import DASHBOARDS
from stack.started import NAME, noted, urls_in

Answers = dict[str, Any]
StandIn = Callable[[Answers], str]

UIDS = [json.loads(file.read_text())["uid"] for file in sorted(DASHBOARDS.glob("*.json"))]
GRAFANA: Answers = {
    "/api/health": {"database": "ok", "version": "12.2.0"},
    "/api/datasources/uid/prometheus/health": {"status": "OK", "message": "Successfully queried"},
    "/api/search": [{"uid": uid, "title": uid} for uid in UIDS],
}
RULE = {"name": "predictor:requests:rate5m", "health": "ok"}
GROUPS = [{"name": name, "rules": [RULE]} for name in sorted(rule_groups())]
TARGET = {"labels": {"job": "energy"}, "health": "up", "lastError": ""}
PROMETHEUS: Answers = {
    "/-/ready": "Prometheus Server is Ready.",
    "/api/v1/targets": {"data": {"activeTargets": [TARGET]}},
    "/api/v1/rules": {"data": {"groups": GROUPS}},
}


def targets(**changes: str) -> Answers:
    return {"/api/v1/targets": {"data": {"activeTargets": [TARGET | changes]}}}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Return what starts a server that answers each path with JSON, and any other with 404."""
    servers: list[ThreadingHTTPServer] = []

    def started(answers: Answers) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                body = json.dumps(answers.get(path)).encode()
                self.send_response(200 if path in answers else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def outcomes(name: str, url: str) -> dict[str, str]:
    """Return what each check of a service says, or how it fails."""
    found = {}
    for title, check in checks_of(name, url, Path("bundle")).items():
        try:
            found[title] = check()
        except FAILURES as error:
            found[title] = f"FAILED: {error}"
    return found


@pytest.mark.parametrize(("name", "answers"), [("grafana", GRAFANA), ("prometheus", PROMETHEUS)])
def test_what_is_well_is_well(name: str, answers: Answers, stand_in: StandIn) -> None:
    found = outcomes(name, stand_in(answers))
    assert len(found) == 3
    assert not any("FAILED" in said for said in found.values())


@pytest.mark.parametrize(
    ("name", "change", "title", "said"),
    [
        ("grafana", {"/api/health": {"database": "failing"}}, "health", "its database is failing"),
        ("grafana", {"/api/health": {}}, "health", "missing required field `database`"),
        (
            "grafana",
            {"/api/datasources/uid/prometheus/health": {"status": "ERROR", "message": "refused"}},
            "data source",
            "its data source is ERROR: refused",
        ),
        ("grafana", {"/api/search": GRAFANA["/api/search"][1:]}, "dashboards", UIDS[0]),
        ("prometheus", targets(health="down", lastError="refused"), "target", "is down: refused"),
        ("prometheus", targets(health="unknown"), "target", "is unknown: not yet read"),
        ("prometheus", {"/api/v1/targets": {"data": {"activeTargets": []}}}, "target", "no target"),
        (
            "prometheus",
            {"/api/v1/rules": {"data": {"groups": GROUPS[1:]}}},
            "rules",
            f"it lacks the rules of {GROUPS[0]['name']}",
        ),
        (
            "prometheus",
            {
                "/api/v1/rules": {
                    "data": {
                        "groups": [
                            *GROUPS,
                            {"name": "x", "rules": [RULE | {"health": "err", "lastError": "many"}]},
                        ]
                    }
                }
            },
            "rules",
            "the rule predictor:requests:rate5m fails: many",
        ),
    ],
)
def test_what_is_not_well_fails_alone(
    name: str, change: Answers, title: str, said: str, stand_in: StandIn
) -> None:
    answers = {"grafana": GRAFANA, "prometheus": PROMETHEUS}[name]
    found = outcomes(name, stand_in(answers | change))
    assert found[title].startswith("FAILED: ")
    assert said in found[title]
    assert sum("FAILED" in each for each in found.values()) == 1


def test_a_path_that_is_not_there_fails(stand_in: StandIn) -> None:
    found = outcomes("prometheus", stand_in({}))
    assert all(said.startswith("FAILED: HTTP Error 404") for said in found.values())


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"]
)
def test_what_does_not_answer_as_http_does_fails(answer: bytes) -> None:
    def answers() -> None:
        client, _ = server.accept()
        with client:
            client.recv(1024)
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answers)
        thread.start()
        with pytest.raises(OSError, match="does not answer as HTTP does: ") as error:
            ask(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert isinstance(error.value, FAILURES)


def test_what_runs_is_noted_until_it_ends_though_somebody_removes_the_note(tmp_path: Path) -> None:
    with noted(tmp_path, {"mlflow": "http://127.0.0.1:1"}):
        assert urls_in(tmp_path) == {"mlflow": "http://127.0.0.1:1"}
        (tmp_path / NAME).unlink()
    assert urls_in(tmp_path) == {}
