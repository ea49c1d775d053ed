"""Running a server for a team: what balancers, Prometheus and whoever reads the log are told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import mcp_types as types
import pytest
from prometheus_client.parser import text_string_to_metric_families

import chachaml as ml
from chachaml.core import settings
from chachaml.core.access import digest_of, new_token
from chachaml.core.changes import AccountSet, Batch, TokenIssued
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import new_id
from chachaml.store.schema import MIGRATIONS
from chachaml.surfaces.http.proxies import Proxies
from tests.agents.mcp_clients import over_http
from tests.chat.stub import Say, stubbed
from tests.faults.processes import eventually
from tests.faults.wires import free_port
from tests.postgres import fresh_url, unused_server
from tests.served import SESSION, Served, served

OWNER = {"Authorization": f"Bearer {SESSION}"}


def admin_of(store: Any, name: str = "ada", role: str = "admin", **grants: str) -> str:
    """Return the token of a new account."""
    token = new_token()
    issued = TokenIssued(1, "root", new_id(), name, digest_of(token), 2**60)
    account = AccountSet(1, "root", name, "user", role, grants)  # type: ignore[arg-type]
    store.apply(Batch((account, issued), command=new_id()))
    return token


@contextmanager
def serving(folder: Path, store: str, *words: str, **environment: str) -> Iterator[tuple[str, Any]]:
    """Run ``chachaml serve`` within the block; give its address and the process."""
    port = free_port()
    command = [sys.executable, "-m", "chachaml", "serve", store, "--port", str(port), *words]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default", **environment},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(url), 30)
        yield url, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


# whether it can work ------------------------------------------------------------------------------


def test_a_server_is_ready_while_it_reaches_its_store() -> None:
    with ExitStack() as stack:
        database = stack.enter_context(unused_server(fsync="off"))
        where = settings.store_path(database.url("ready"))
        server = stack.enter_context(served(where, keep=False))
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
        assert http.get("/readyz").json() == {"ready": True}
        database.stop(signal.SIGQUIT)
        eventually(lambda: http.get("/readyz").status_code == 503, 15)
        told = http.get("/readyz").json()
        assert told["ready"] is False
        assert "store" in told["why"]
        assert str(database.port) not in told["why"]  # anybody may ask
        assert http.get("/healthz").status_code == 200  # a restart would help nobody
        database.start()
        eventually(lambda: http.get("/readyz").status_code == 200, 15)


def test_a_server_of_another_schema_is_not_ready(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from chachaml.surfaces.http import vitals

    monkeypatch.setattr(vitals, "MIGRATIONS", (*MIGRATIONS, MIGRATIONS[-1]))
    told = httpx.get(f"{server.url}/readyz")
    assert told.status_code == 503
    assert f"needs {len(MIGRATIONS) + 1}" in told.json()["why"]


def test_who_is_told_to_stop_says_so_and_goes_on_for_a_while(tmp_path: Path) -> None:
    with serving(tmp_path, "x.db", CHACHAML_DRAIN="1.5") as (url, process):
        assert httpx.get(f"{url}/readyz").status_code == 200
        process.terminate()
        began = time.monotonic()
        eventually(lambda: httpx.get(f"{url}/readyz").status_code == 503, 5)
        assert httpx.get(f"{url}/api/runs").status_code == 200
        assert process.wait(20) == 0
        assert 1.4 < time.monotonic() - began < 10


def test_machines_ask_by_address_how_a_team_s_server_is(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(served(tmp_path / "team.db", team=True, keep=False))
        token = admin_of(server.service.store)
        http = stack.enter_context(httpx.Client(base_url=server.url, headers={"Host": "10.1.2.3:8080"}))
        assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
        assert http.get("/metrics").status_code == 401
        assert http.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert http.get("/api/me").status_code == 421
        assert http.get("/readyz", headers={"Host": "evil.example"}).status_code == 421


# metrics ------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "runs.db") as found:
        yield found


@pytest.fixture
def http(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_is_done(http: httpx.Client) -> None:
    run = http.post("/api/w/runs", json={"experiment": "e"}).json()["id"]
    for _ in range(3):
        assert http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1.0, "acc": 0.5}).status_code == 200
    assert http.post("/api/w/runs/ffff/metrics", json={"loss": 1.0}).status_code == 404
    assert http.get("/nothing").status_code == 404
    with http.stream("GET", "/api/events") as events:
        lines = events.iter_lines()
        next(lines)
        answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)

    def value(name: str, **labels: str) -> float:
        return found[(name, frozenset(labels.items()))]

    metrics = {"method": "POST", "route": "/api/w/runs/{run_id}/metrics"}
    assert value("chachaml_http_requests_total", **metrics, status="200") == 3
    assert value("chachaml_http_requests_total", **metrics, status="404") == 1
    assert value("chachaml_http_requests_total", method="GET", route="none", status="404") == 1
    assert value("chachaml_http_request_duration_seconds_count", **metrics) == 4
    assert value("chachaml_http_request_duration_seconds_bucket", **metrics, le="+Inf") == 4
    assert 0 < value("chachaml_http_request_duration_seconds_sum", **metrics) < 60
    assert value("chachaml_points_written_total") == 6
    assert value("chachaml_writes_total", outcome="written") == 4
    assert value("chachaml_writes_total", outcome="refused") == 0
    assert value("chachaml_write_transaction_seconds_count") >= 4
    assert value("chachaml_event_listeners") == 1
    assert value("chachaml_http_requests_in_progress") == 2
    assert value("chachaml_ready") == 1
    assert (value("chachaml_store_runs"), value("chachaml_store_points")) == (1, 6)
    assert value("process_resident_memory_bytes") > 1 << 20
    assert run not in answer.text


def test_metrics_are_for_those_who_may_read_all(tmp_path: Path) -> None:
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        tokens = [
            admin_of(server.service.store, "rea", "reader"),
            admin_of(server.service.store, "sco", "", e="admin"),
        ]
        said = [
            httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"}).status_code
            for token in tokens
        ]
    assert said == [200, 403]


# the log ------------------------------------------------------------------------------------------


def test_a_request_has_an_id_from_end_to_end(http: httpx.Client) -> None:
    ours = http.get("/api/runs/zzz")
    assert len(ours.headers["x-request-id"]) == 32
    assert "request_id" not in ours.json()["error"]  # one refusal is as the other
    given = http.get("/api/runs", headers={"X-Request-Id": "from-the.proxy_1"})
    assert given.headers["x-request-id"] == "from-the.proxy_1"
    for bad in ("a b", "x" * 200, 'q"}', ""):
        assert http.get("/api/runs", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad


def test_the_log_is_a_line_of_json_for_each_request(tmp_path: Path) -> None:
    words = ("--log-format", "json", "--trusted-proxies", "127.0.0.0/8")
    with serving(tmp_path, "x.db", *words) as (url, process):
        forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Request-Id": "r-1"}
        assert httpx.get(f"{url}/api/runs?experiment=hidden", headers=forwarded).status_code == 200
        assert httpx.get(f"{url}/api/runs/%0Azzz").status_code in (400, 404)
        assert httpx.get(f"{url}/readyz").status_code == 200
        process.terminate()
        assert process.wait(30) == 0
        out, err = process.stdout.read(), process.stderr.read()
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[0]["message"] == "serving"
    assert lines[0]["url"].endswith(url.rpartition(":")[2])
    listed, missing = [line for line in lines if line["logger"] == "chachaml.access"]
    assert listed["request_id"] == "r-1"
    assert (listed["method"], listed["route"], listed["status"]) == ("GET", "/api/runs", 200)
    assert (listed["path"], listed["client"]) == ("/api/runs", "203.0.113.9")
    assert listed["bytes"] > 0
    assert listed["ms"] >= listed["first_ms"] > 0
    assert missing["route"] == "/api/runs/{run_id}"
    assert "hidden" not in err
    assert all(line["time"].endswith("Z") and line["level"] for line in lines)


def test_a_fault_of_the_server_is_found_in_the_log_by_the_request_s_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    with served(tmp_path / "runs.db", keep=False) as server:
        monkeypatch.setattr(server.service.store, "find_runs", broken)
        answer = httpx.get(f"{server.url}/api/runs")
    assert answer.status_code == 500
    assert "oops" not in answer.text
    assert answer.json()["error"]["request_id"] in caplog.text
    assert "ZeroDivisionError: oops" in caplog.text


# proxies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.5", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.5", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.5", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.5", "10.0.0.6", "10.0.0.6"),
        ("10.0.0.5", "203.0.113.9, unknown", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("203.0.113.1", "6.6.6.6", "203.0.113.1"),
        ("", "6.6.6.6", ""),
    ],
)
def test_who_asks_is_whoever_stands_before_our_proxies(peer: str, forwarded: str, client: str) -> None:
    scope: dict[str, Any] = {"client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    Proxies(("10.0.0.0/24",)).unwrap(scope)
    assert scope["client"][0] == client


def test_a_proxy_says_by_which_name_it_was_asked(tmp_path: Path) -> None:
    origins = ("https://tracker.example",)
    told = {"X-Forwarded-Host": "tracker.example", "X-Forwarded-Proto": "https"}
    for proxies, status in ((("127.0.0.1",), 200), ((), 421), (("10.0.0.1",), 421)):
        with served(tmp_path / "x.db", origins=origins, proxies=proxies, keep=False) as server:
            assert httpx.get(f"{server.url}/api/runs", headers=told).status_code == status
    with pytest.raises(BadValue, match="no address of a proxy"):
        Proxies(("tracker",))


# several servers of one database ------------------------------------------------------------------


def test_a_session_that_one_server_began_is_good_at_another_and_over_at_both(tmp_path: Path) -> None:
    from chachaml.store.postgres import open_postgres

    store = fresh_url()
    opened = open_postgres(store)
    token = admin_of(opened)
    opened.close()
    team = ("--team", "--url", "http://tracker.example")
    ours = {"Host": "tracker.example", "Origin": "http://tracker.example"}
    with ExitStack() as stack:
        (one, _), (two, _) = (stack.enter_context(serving(tmp_path, store, *team)) for _ in range(2))
        browser = stack.enter_context(httpx.Client(headers=ours, timeout=30))
        signed = browser.post(f"{one}/login", data={"token": token})
        assert signed.status_code == 303
        cookie = signed.headers["set-cookie"].partition(";")[0]
        browser.headers["Cookie"] = cookie
        assert browser.get(f"{two}/api/me").json()["name"] == "ada"
        with browser.stream("GET", f"{two}/api/events") as events:
            lines = events.iter_lines()
            next(lines)
            run = browser.post(f"{one}/api/w/runs", json={"experiment": "e"}).json()["id"]
            assert any(run in line for line in lines if line.startswith("data"))
        assert browser.get(f"{two}/api/runs/{run}").json()["created_by"] == "ada"
        assert browser.post(f"{two}/logout").status_code == 303
        for url in (one, two):
            eventually(lambda url=url: browser.get(f"{url}/api/me").status_code == 401, 5)


def test_a_yes_to_a_change_may_reach_another_server_and_counts_once(tmp_path: Path) -> None:
    from chachaml.store.postgres import open_postgres

    store = fresh_url()
    opened = open_postgres(store)
    token, other = admin_of(opened), admin_of(opened, "eve")
    opened.close()
    with ExitStack() as stack:
        stub = stack.enter_context(stubbed())
        team = {"CHACHAML_CHAT_URL": f"{stub.url}/v1", "CHACHAML_CHAT_SHARE": "on"}
        words = ("--team", "--url", "http://tracker.example")
        (one, _), (two, _) = (stack.enter_context(serving(tmp_path, store, *words, **team)) for _ in range(2))
        client = stack.enter_context(httpx.Client(headers={"Host": "tracker.example"}, timeout=30))

        def post(url: str, body: object, token: str = token) -> httpx.Response:
            return client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})

        run = post(f"{one}/api/w/runs", {"experiment": "e"}).json()["id"]
        tag = {"run_id": run, "key": "reviewed", "value": "yes"}
        stub.says(Say("", [("add_tag", tag)]), Say("Tagged."))
        asked = post(f"{one}/api/chat", {"question": "Tag it.", "writes": True}).json()["needs_approval"]
        approval = {name: asked[name] for name in ("conversation", "id", "name", "arguments")}
        said = {"approval": {**approval, "approved": True}}
        changed = {"approval": {**said["approval"], "arguments": {**tag, "value": "no"}}}
        sealed = approval["conversation"]
        forged = {"approval": {**said["approval"], "conversation": "A" * 43 + sealed[43:]}}
        assert post(f"{two}/api/chat", changed).status_code == 409
        assert post(f"{two}/api/chat", forged).status_code == 404
        assert post(f"{two}/api/chat", said, other).status_code == 404
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda url: post(f"{url}/api/chat", said), (two, one)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert {answer.json().get("answer") for answer in answers} == {"Tagged.", None}
        found = client.get(f"{one}/api/tags/{run}", headers={"Authorization": f"Bearer {token}"})
        assert found.json() == {"reviewed": "yes"}
        assert len(stub.seen) == 2


def test_a_yes_to_deleting_may_reach_another_server(tmp_path: Path) -> None:
    ml.connect(tmp_path / "runs.db")
    with ml.start_run("iris") as run:
        pass
    ml.flush()
    token = admin_of(ml.connection.connection().ready())
    yes = {"confirm": types.ElicitResult(action="accept", content={"confirm": True})}
    delete = partial(tool_call, "delete_runs", {"run_ids": [run.id]}, token)

    with ExitStack() as stack:
        words = ("--team", "--mcp-write", "--url", "http://tracker.example")
        servers = (serving(tmp_path, "runs.db", *words) for _ in range(2))
        (one, _), (two, _) = map(stack.enter_context, servers)
        question = asyncio.run(delete(one, None, None))
        assert isinstance(question, types.InputRequiredResult)
        done = asyncio.run(delete(two, yes, question.request_state))
        assert isinstance(done, types.CallToolResult)
        assert not done.is_error
    with pytest.raises(NotFound):
        ml.run(run.id)


async def tool_call(name: str, arguments: Any, token: str, url: str, responses: Any, state: Any) -> Any:
    async with over_http(url, token, host="tracker.example", elicitation_callback=lambda *_: None) as client:
        given = {"input_responses": responses, "request_state": state, "allow_input_required": True}
        return await client.session.call_tool(name, arguments, **given)
