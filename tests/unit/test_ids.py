"""Ids are unique across threads and forks, and sort by time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from chachaml.core.ids import is_id, new_id, readable_name, short


def test_ids_are_uuids_of_version_7_and_differ() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert all(is_id(each) and each[12] == "7" and each[16] in "89ab" for each in ids)
    assert [each[:12] for each in ids] == sorted(each[:12] for each in ids)
    assert len({short(each) for each in ids}) > 9_990


def test_threads_never_draw_the_same_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)))
    assert len({each for ids in drawn for each in ids}) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_draws_other_ids_than_its_parent() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id() for _ in range(64)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 64 * 32).decode()
    mine = {new_id()[13:] for _ in range(64)}
    assert not mine & {theirs[at + 13 : at + 32] for at in range(0, len(theirs), 32)}


def test_names_are_readable() -> None:
    assert all(len(readable_name().split("-")) == 3 for _ in range(100))
