"""The contract of threads: any of them, at any time."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import threading

from chachaml.core.changes import Batch, ParamsLogged, Receipt, RunJoined
from chachaml.core.ids import new_id
from chachaml.core.model import RunQuery
from chachaml.store.protocol import Store
from chachaml.testing.material import Fixtures, Writer, in_threads, points, started

__all__ = ["ThreadContract"]


class ThreadContract(Fixtures):
    """One store object, many threads."""

    def test_eight_threads_write_to_one_run(self, store: Store) -> None:
        """Nothing is lost, doubled or out of each journal's order; one of the params wins."""
        run, writers = new_id(), [Writer(store) for _ in range(8)]

        def write(rank: int) -> None:
            writer = writers[rank]
            writer.write(started(run) if rank == 0 else RunJoined(run, 1))
            for i in range(20):
                writer.write(
                    points(run, "shared", [rank * 100 + i], [0], [0]), points(run, f"own {rank}", [i], [i])
                )
            writer.write(ParamsLogged(run, 1, {"winner": str(rank)}))

        in_threads(*(lambda rank=rank: write(rank) for rank in range(8)))
        row, shared = store.get_run(run), store.read_series(run, "shared").values.tolist()
        assert (row.owner, len(row.conflicts)) == (writers[0].info.id, 7)
        assert len(shared) == 160
        for rank in range(8):
            assert [v for v in shared if v // 100 == rank] == [rank * 100 + i for i in range(20)]
            assert store.read_series(run, f"own {rank}").values.tolist() == list(range(20))
        assert len(store.changes_since(0).rows) == 8 * 22

    def test_of_one_batch_sent_by_many_one_counts(self, store: Store, writer: Writer) -> None:
        """As when several processes drain one journal."""
        run = new_id()
        for i in range(10):
            receipts = self._sent_by_many(store, writer.batch(started(run), points(run, "a", [i], [i])))
            assert sorted(receipt.applied for receipt in receipts) == [False, False, False, True]
            writer.at += 32
            assert {receipt.applied_to for receipt in receipts} == {writer.at}
        assert store.read_series(run, "a").values.tolist() == list(range(10))

    @staticmethod
    def _sent_by_many(store: Store, batch: Batch) -> list[Receipt]:
        receipts: list[Receipt] = []
        in_threads(*[lambda: receipts.append(store.apply(batch))] * 4)
        return receipts

    def test_readers_see_whole_batches(self, store: Store, writer: Writer) -> None:
        """In one answer, what was written together is there together."""
        run, twin, done = writer.start(), writer.start(), threading.Event()

        def write(i: int) -> None:
            together = [(run, "a"), (run, "b"), (twin, "a")]
            writer.write(*(points(name, key, [i], [i]) for name, key in together))

        def write_all() -> None:
            try:
                for i in range(1, 60):
                    write(i)
            finally:
                done.set()

        def read() -> None:
            while not done.is_set():
                assert len({summary.count for summary in store.get_run(run).metrics.values()}) == 1
                page = store.find_runs(RunQuery(with_values=True))
                assert len({summary.count for row in page.runs for summary in row.metrics.values()}) == 1
                series = store.read_series(run, "a")
                assert series.values.tolist() == list(range(len(series.values)))

        write(0)
        in_threads(write_all, read, read)

    def test_pages_are_read_while_runs_arrive(self, store: Store) -> None:
        """Each thread finds its own run as soon as it has written it."""

        def work() -> None:
            writer = Writer(store)
            for _ in range(10):
                run = writer.start()
                assert [row.id for row in store.find_runs(RunQuery(text_id=run)).runs] == [run]

        in_threads(*[work] * 8)
        assert store.info().runs == 80
