"""Live events: what changes is told soon, once, in order, to everybody who listens."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import Served
from tests.surfaces.http.conftest import start


@contextmanager
def listening(server: Served, **given: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """Give the events that come; within the block, the server has heard that somebody listens."""
    with httpx.Client(timeout=15) as client:
        with client.stream("GET", f"{server.url}/api/events", **given) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            yield _events(lines)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "data" in event:
            yield event
            event = {}
        elif name in ("id", "event", "data"):
            event[name] = json.loads(value) if name == "data" else value


def test_changes_are_told_in_order(server: Served, http: httpx.Client, run: str) -> None:
    with listening(server) as events:
        for number in range(3):
            http.post(f"/api/w/runs/{run}/metrics", json={"loss": number})
        got = [next(events) for _ in range(3)]
    assert [one["event"] for one in got] == ["change"] * 3
    assert [one["data"]["runs"] for one in got] == [[run]] * 3
    cursors = [one["data"]["cursor"] for one in got]
    assert cursors == sorted(set(cursors))
    assert [one["id"] for one in got] == list(map(str, cursors))


def test_who_comes_back_is_told_what_was_missed(server: Served, http: httpx.Client, run: str) -> None:
    with listening(server) as events:
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1})
        last = next(events)["id"]
    for number in range(3):
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": number})
    with listening(server, headers={"Last-Event-ID": last}) as events:
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": 9})
        cursors = [next(events)["data"]["cursor"] for _ in range(4)]
    assert cursors == list(range(int(last) + 1, int(last) + 5))
    with listening(server, params={"after": last}) as events:
        assert next(events)["data"]["cursor"] == int(last) + 1


def test_who_missed_too_much_is_told_to_begin_anew(server: Served, http: httpx.Client, run: str) -> None:
    with httpx.Client(base_url=server.url) as client:
        for number in range(1005):
            client.post(f"/api/w/runs/{run}/metrics", json={"loss": number})
    with listening(server, params={"after": "1"}) as events:
        assert next(events)["event"] == "reset"


def test_one_run_can_be_followed(server: Served, http: httpx.Client, run: str) -> None:
    other = start(http)
    with listening(server, params={"run": run}) as events:
        http.post(f"/api/w/runs/{other}/metrics", json={"loss": 1})
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": 2})
        assert next(events)["data"]["runs"] == [run]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "since=1"])
def test_bad_questions_are_told(http: httpx.Client, query: str) -> None:
    assert http.get(f"/api/events?{query}").status_code == 400


TRAINING = """
import sys, time, chachaml as ml
ml.connect(sys.argv[1])
with ml.start_run(experiment="iris") as run:
    print(run.id, flush=True)
    for step in range(int(sys.argv[2])):
        ml.log_metric("at", time.time(), step)
        time.sleep(0.5)
"""


@pytest.mark.parametrize("how", ["file", "server"])
def test_a_point_of_another_process_is_there_within_a_second(
    server: Served, http: httpx.Client, tmp_path: Path, how: str
) -> None:
    where = str(server.where.path) if how == "file" else server.url
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, where, "8"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run, late = process.stdout.readline().strip(), []
    with listening(server, params={"run": run, "after": "0"}) as events:
        seen = 0
        while seen < 8:
            next(events)
            found = http.get(f"/api/series?ids={run}&metric=at")
            values = found.json()[0]["values"] if found.status_code == 200 else []
            late += [time.time() - at for at in values[seen:]]
            seen = len(values)
    assert process.wait(30) == 0
    process.stdout.close()
    # The first may wait for the process to start what drains; of the others none is late.
    assert max(late[1:]) < 1.0, late


def test_many_listeners_cost_one_look(server: Served, http: httpx.Client, run: str) -> None:
    """The feed is read once for all: with 100 who listen as often as with one."""
    looks = 0
    ask = server.service.store.changes_since

    def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return ask(*args)

    server.service.store.changes_since = counted  # type: ignore[method-assign]
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(server)) for _ in range(100)]
        looks, began = 0, time.monotonic()
        http.post(f"/api/w/runs/{run}/metrics", json={"loss": 1})
        assert [next(events)["data"]["runs"] for events in listeners] == [[run]] * 100
        time.sleep(0.5)
        assert looks <= (time.monotonic() - began) / 0.1 + 2


def test_a_stop_ends_listening(server: Served) -> None:
    done = threading.Event()

    def listen() -> None:
        with listening(server) as events:
            assert list(events) == []
        done.set()

    thread = threading.Thread(target=listen)
    thread.start()
    while not server.service.feed._listeners:
        time.sleep(0.01)
    time.sleep(0.2)
    host = server.service.feed._reader
    assert host is not None
    host.get_loop().call_soon_threadsafe(server.service.feed.stop)
    assert done.wait(10)
    thread.join()
