"""A database that is lost in mid-run, and the replica that takes its place: nothing is lost or doubled."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from chachaml.store.postgres import open_postgres
from tests.faults.processes import eventually
from tests.faults.test_postgres_faults import check, steps_of, train
from tests.postgres import PASSWORD, USER, Server

pytestmark = pytest.mark.usefixtures("folder")


class Pair:
    """A database, and the replica that follows it until it is to take its place."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary, self.replica = primary, replica

    def url(self, schema: str) -> str:
        """Return the address of whichever of both takes writes."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in (self.primary, self.replica))
        asked = f"schema={schema}&target_session_attrs=read-write"
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/postgres?{asked}"

    def fail_over(self) -> None:
        """Lose the database at once, and let the replica be the one."""
        self.primary.stop(signal.SIGQUIT)
        self.replica.execute("SELECT pg_promote()")

    def part(self) -> None:
        """Let the replica hear no more of what is written."""
        self.replica.execute("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        eventually(lambda: not self._replicas(), 20)

    def be_synchronous(self) -> None:
        """Let what is written count only once the replica has it."""
        name = "ALTER SYSTEM SET synchronous_standby_names = '*'"
        self.primary.execute(name, "SELECT pg_reload_conf()")
        eventually(lambda: self._replicas() == ["sync"], 20)

    def _replicas(self) -> list[object]:
        with self.primary.connect() as db:
            return [row[0] for row in db.execute("SELECT sync_state FROM pg_stat_replication")]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        primary = Server()
        stack.callback(primary.remove)
        replica = Server(of=primary)
        stack.callback(replica.remove)
        yield Pair(primary, replica)


def test_a_synchronous_replica_takes_the_place_in_mid_run(pair: Pair) -> None:
    pair.be_synchronous()
    url = pair.url("takes")
    open_postgres(url).close()
    process = train(url, "moved", 3)
    time.sleep(1)
    pair.fail_over()
    check(url, "moved", steps_of(process))


def test_what_a_replica_that_lagged_lacks_comes_from_the_journal(pair: Pair) -> None:
    """As long as the run goes on: what it logged is still on its machine."""
    url = pair.url("lags")
    open_postgres(url).close()
    process = train(url, "behind", 4)
    time.sleep(1)
    pair.part()
    time.sleep(1)
    pair.fail_over()
    check(url, "behind", steps_of(process))
