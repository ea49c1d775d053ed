"""One process's journal: rotation, draining, releasing, full disks, both ways of writing."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from zlib import crc32

import pytest

from chachaml.core.changes import ParamsLogged, PointsLogged, RunStarted
from chachaml.journal import liveness
from chachaml.journal.drainer import Drain
from chachaml.journal.format import POINT, point_body, point_cell
from chachaml.journal.journal import Journal
from chachaml.journal.reader import FolderSource, segments_of
from chachaml.store.memory import MemoryStore

RUN = "ab" * 16
MODES = pytest.mark.parametrize("mode", ["mmap", "write"])


def log_points(journal: Journal, series: int | None, steps: range) -> None:
    assert series is not None
    for step in steps:
        head = POINT | series << 8
        checksum = crc32(point_body(head, step, step * 1000, step / 2), journal.salt)
        journal.append(point_cell(head, checksum, step, step * 1000, step / 2))


def drained(journal: Journal, store: MemoryStore) -> Drain:
    drain = Drain(FolderSource(journal.folder, written=journal.end), store, verify=False)
    drain.run()
    return drain


@MODES
def test_points_come_through_many_segments_once_and_in_order(tmp_path: Path, mode: str) -> None:
    journal, store = Journal(tmp_path, "s", mode=mode), MemoryStore()
    journal.log(RunStarted(RUN, 1, "e", "n", "u"))
    series = journal.number_series(RUN, "loss")
    log_points(journal, series, range(60_000))
    assert len(segments_of(journal.folder)) == 3
    drain = drained(journal, store)
    log_points(journal, series, range(60_000, 60_010))
    drain.run()
    assert store.read_series(RUN, "loss").steps.tolist() == list(range(60_010))
    assert drain.damaged == 0
    journal.close(drained=True)


@MODES
def test_released_segments_are_gone_and_the_rest_still_reads(tmp_path: Path, mode: str) -> None:
    journal, store = Journal(tmp_path / "journals", "s", mode=mode), MemoryStore()
    series = journal.number_series(RUN, "loss")
    log_points(journal, series, range(30_000))
    drain = drained(journal, store)
    assert journal.can_release(drain.position)
    journal.release(drain.position)
    assert [s.header.number for s in segments_of(journal.folder)] == [2]
    log_points(journal, series, range(30_000, 30_100))
    # Another process begins to read here, knowing only what this segment declares.
    other = Drain(FolderSource(journal.folder, alive=True), store)
    other.run()
    assert store.read_series(RUN, "loss").steps.tolist() == list(range(30_100))
    journal.close(drained=True)
    assert not (tmp_path / "journals").exists()


@MODES
def test_a_record_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path, mode: str) -> None:
    journal, store = Journal(tmp_path, "s", mode=mode), MemoryStore()
    text = '"' + "x" * 20_000_000 + '"'
    journal.log(ParamsLogged(RUN, 1, {"small": "1"}))
    journal.log(ParamsLogged(RUN, 1, {"text": text}))
    journal.log(ParamsLogged(RUN, 1, {"after": "2"}))
    drained(journal, store)
    assert {k: len(str(v)) for k, v in store.get_run(RUN).params.items()} == {
        "small": 1,
        "text": 20_000_000,
        "after": 1,
    }


@MODES
def test_threads_write_side_by_side_across_segments(tmp_path: Path, mode: str) -> None:
    journal, store = Journal(tmp_path, "s", mode=mode), MemoryStore()

    def work(n: int) -> None:
        barrier.wait()
        log_points(journal, journal.number_series(RUN, f"key{n}"), range(5_000))

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drained(journal, store)
    assert all(store.read_series(RUN, f"key{n}").steps.tolist() == list(range(5_000)) for n in range(8))


def test_a_journal_is_known_by_its_lock_and_owner(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "s")
    journal.log(RunStarted(RUN, 1, "e", "n", "u"))
    info = FolderSource(journal.folder).info
    assert info is not None
    assert (info.id, info.store, info.pid) == (journal.id, "s", os.getpid())
    assert liveness.hold(journal.folder) is None
    assert liveness.lives(info) is True
    journal.close(drained=False)
    lock = liveness.hold(journal.folder)
    assert lock is not None and lock.real
    lock.drop()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = Journal(tmp_path / "journals", "s")
        journal.log(RunStarted(RUN, 1, "e", "n", "u"))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in journal.folder.iterdir()} == {0}


def test_a_disk_without_room_keeps_records_in_memory_until_there_is_some(tmp_path: Path) -> None:
    # A file size limit of zero refuses every segment, as a full disk does.
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_journal import *

        troubles = []
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        journal, store = Journal(Path(sys.argv[1]), "s", on_trouble=troubles.append), MemoryStore()
        series = journal.number_series(RUN, "loss")
        log_points(journal, series, range(10))
        drain = drained(journal, store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        log_points(journal, series, range(10, 20_000))
        journal.log(ParamsLogged(RUN, 1, {"lr": "1"}))
        assert len(troubles) == 1, troubles
        assert journal.held and not journal.retry()
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert journal.retry() and not journal.held and not journal.lost
        log_points(journal, series, range(20_000, 20_100))
        drain.run()
        assert store.read_series(RUN, "loss").steps.tolist() == list(range(20_100))
        assert store.get_run(RUN).params == {"lr": 1}
    """)
    subprocess.run([sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)], check=True)


def test_what_finds_no_room_at_all_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    troubles: list[str] = []
    journal = Journal(tmp_path / "file" / "journals", "s", on_trouble=troubles.append)
    big = struct.pack("<d", 1.0) * (1 << 20)
    for _ in range(10):
        journal.log(PointsLogged(RUN, "x", big, big, big))
    assert len(troubles) == 1
    assert journal.held <= 64 << 20
    assert journal.lost == 8
