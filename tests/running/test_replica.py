"""Pages read from a real replica by streaming replication: what it does not have yet is not missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from chachaml.core import settings
from chachaml.core.ids import new_id
from chachaml.store.postgres import open_postgres
from chachaml.surfaces.http.replica import Replica
from tests.faults.processes import eventually
from tests.postgres import Server, fresh_url
from tests.served import Served, served

PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
LAG = "x-chachaml-replica-lag"


class Pair:
    """A database, and a replica of it that can be held back."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary, self.replica = primary, replica

    def hold(self) -> None:
        """Let the replica fall behind."""
        self.replica.execute("SELECT pg_wal_replay_pause()")
        eventually(lambda: self._state() == "paused", 10)

    def release(self) -> None:
        """Let it follow again."""
        self.replica.execute("SELECT pg_wal_replay_resume()")

    def _state(self) -> object:
        with self.replica.connect() as db:
            row = db.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()
        return row and row[0]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        primary = Server(fsync="off")
        stack.callback(primary.remove)
        replica = Server(of=primary, fsync="off")
        stack.callback(replica.remove)
        yield Pair(primary, replica)


@pytest.fixture
def beside(pair: Pair) -> Iterator[tuple[Served, Pair]]:
    """A server of the database whose pages are read from the replica."""
    schema = f"pages_{new_id()}"
    with closing(open_postgres(pair.primary.url(schema))):
        where = settings.store_path(pair.primary.url(schema))
        with served(where, keep=False, read_store=pair.replica.url(schema)) as server:
            replica = server.service.replica
            assert replica is not None
            eventually(lambda: replica.fresh() is not None, 20)
            yield server, pair


def test_pages_are_read_from_the_replica_and_programs_from_the_database(beside: tuple[Served, Pair]) -> None:
    server, pair = beside
    with httpx.Client(base_url=server.url, timeout=30) as http:
        run = http.post("/api/w/runs", json={"experiment": "e", "name": "one"}).json()["id"]
        eventually(lambda: bool(http.get("/api/runs", headers=PAGE).json()["runs"]), 10)
        assert LAG in http.get("/api/runs", headers=PAGE).headers
        assert LAG in http.get("/runs", headers={**PAGE, "Sec-Fetch-Dest": "document"}).headers
        pair.hold()
        try:
            http.post(f"/api/w/runs/{run}/end", json={"status": "completed"})
            # The look before the change said that it is near enough, and for a while it stays so.
            old = http.get(f"/api/runs/{run}", headers=PAGE)
            assert (old.json()["status"], LAG in old.headers) == ("running", True)
            fresh = http.post("/api/w/runs", json={"experiment": "e"}).json()["id"]
            assert http.get(f"/api/runs/{fresh}", headers=PAGE).status_code == 200
            assert http.get(f"/runs/{fresh}", headers={**PAGE, "Accept": "text/html"}).status_code == 200
            new = http.get(f"/api/runs/{run}")
            assert (new.json()["status"], LAG in new.headers) == ("completed", False)
        finally:
            pair.release()
        eventually(lambda: http.get(f"/api/runs/{run}", headers=PAGE).json()["status"] == "completed", 10)


def test_a_browser_that_changed_something_sees_it_at_once(beside: tuple[Served, Pair]) -> None:
    server, pair = beside
    with httpx.Client(base_url=server.url, timeout=30, headers=PAGE) as browser:
        run = browser.post("/api/w/runs", json={"experiment": "e"}).json()["id"]
        pair.hold()
        try:
            assert browser.post(f"/api/tags/{run}", json={"key": "k", "value": "v"}).status_code == 200
            mine = browser.get(f"/api/runs/{run}")
            assert mine.json()["tags"] == {"k": "v"}
            assert LAG not in mine.headers
        finally:
            pair.release()


def test_a_replica_that_lags_or_is_away_is_not_read(
    beside: tuple[Served, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    from chachaml.surfaces.http import replica as replicas

    server, pair = beside
    monkeypatch.setattr(replicas, "_MOST", 0.8)
    replica = server.service.replica
    assert replica is not None
    with httpx.Client(base_url=server.url, timeout=30) as http:
        pair.hold()
        try:
            run = http.post("/api/w/runs", json={"experiment": "e"}).json()["id"]
            eventually(lambda: replica.fresh() is None, 10)
            assert http.get(f"/api/runs/{run}", headers=PAGE).status_code == 200
            metrics = http.get("/metrics").text
            assert "chachaml_replica_used 0" in metrics
            lag = next(line for line in metrics.splitlines() if line.startswith("chachaml_replica_lag"))
            assert float(lag.split()[1]) > 0.8
        finally:
            pair.release()
        eventually(lambda: replica.fresh() is not None, 10)
        pair.replica.stop()
        try:
            found = http.get("/api/runs", headers=PAGE)  # though the last look said that it is there
            assert (found.status_code, LAG in found.headers) == (200, False)
            assert replica.fresh() is None
            eventually(lambda: bool(replica.trouble), 20)
        finally:
            pair.replica.start()
        eventually(lambda: replica.fresh() is not None, 20)


def test_live_events_tell_of_nothing_that_pages_would_not_find(beside: tuple[Served, Pair]) -> None:
    server, _ = beside
    with httpx.Client(base_url=server.url, timeout=30) as http:
        with http.stream("GET", "/api/events") as events:
            lines = events.iter_lines()
            next(lines)
            run = http.post("/api/w/runs", json={"experiment": "e"}).json()["id"]
            assert any(run in line for line in lines if line.startswith("data"))
        assert http.get(f"/api/runs/{run}", headers=PAGE).status_code == 200


def test_what_is_no_replica_of_the_store_is_never_read(beside: tuple[Served, Pair]) -> None:
    server, _ = beside
    url = fresh_url()
    open_postgres(url).close()
    other = Replica(url, server.service.store)
    try:
        eventually(lambda: "another store" in other.trouble, 20)
        assert other.fresh() is None
    finally:
        other.close()
