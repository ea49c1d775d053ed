"""Packing points, sampling them, adding up summaries: the parts that every SQL backend shares."""

from __future__ import annotations

import contextlib
import math
import struct

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chachaml.core.errors import StoreDamaged
from chachaml.store import chunks, series, tails
from chachaml.store.schema import MIGRATIONS, create
from chachaml.store.series import FULL, Points

INT64 = st.integers(-(2**63), 2**63 - 1)
BITS = st.integers(0, 2**64 - 1)
# Steps and times that make summaries and orders meet equals, and values that make them odd.
FEW_POINTS = st.lists(
    st.tuples(
        st.integers(-2, 2),
        st.integers(0, 2),
        st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 2.0]),
    ),
    min_size=1,
    max_size=40,
)


def of_bits(steps: list[int], times: list[int], bits: list[int]) -> Points:
    return Points(np.array(steps, np.int64), np.array(times, np.int64), np.array(bits, np.uint64).view("<f8"))


def of(points: list[tails.Point]) -> Points:
    steps, times, values = zip(*points, strict=True)
    return Points(np.array(steps, np.int64), np.array(times, np.int64), np.array(values, np.float64))


def curve(count: int, *, start: int = 0, seed: int = 0) -> Points:
    """Return a noisy curve as a fast training loop logs it."""
    rng = np.random.default_rng(seed)
    steps = np.arange(start, start + count, dtype=np.int64)
    pauses = (rng.random(count) < 0.01) * rng.integers(0, 300, count)
    times = 1_700_000_000_000_000 + start + np.cumsum(rng.integers(0, 3, count) + pauses)
    return Points(steps, times.astype(np.int64), np.exp(-steps / 20_000) + rng.normal(0, 0.05, count))


def same(one: Points, other: Points) -> bool:
    return all(
        np.array_equal(getattr(one, name).view(np.int64), getattr(other, name).view(np.int64))
        for name in ("steps", "times", "values")
    )


@given(st.lists(st.tuples(INT64, INT64, BITS), min_size=1, max_size=60))
def test_every_bit_comes_back(points: list[tuple[int, int, int]]) -> None:
    given_points = of_bits(*map(list, zip(*points, strict=True)))
    assert same(series.decode(series.encode(given_points)), given_points)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60), INT64, INT64)
def test_float32_values_and_even_steps_come_back(singles: list[int], first: int, step: int) -> None:
    values = np.array(singles, np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        doubles = values.astype(np.float64)
        steps = np.int64(first) + np.arange(len(values), dtype=np.int64) * np.int64(step)
    points = Points(steps, np.zeros(len(values), np.int64), doubles)
    assert same(series.decode(series.encode(points)), points)


def test_blocks_are_small() -> None:
    noisy = curve(FULL)
    assert len(series.encode(noisy)) < 7.5 * FULL
    single = Points(noisy.steps, noisy.times, noisy.values.astype(np.float32).astype(np.float64))
    assert len(series.encode(single)) < 4 * FULL
    flat = Points(noisy.steps, noisy.steps * 1000, np.zeros(FULL))
    assert len(series.encode(flat)) < 200


@pytest.mark.parametrize("cut", [0, 1, 3, 60, -1])
def test_a_cut_block_is_damaged(cut: int) -> None:
    with pytest.raises(StoreDamaged):
        series.decode(series.encode(curve(100))[:cut])


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_block_never_gives_other_points(place: int, flip: int) -> None:
    points = curve(200)
    block = bytearray(series.encode(points))
    block[place % len(block)] ^= flip
    with contextlib.suppress(StoreDamaged):  # not always: one bit of a frame's header means nothing
        assert same(series.decode(bytes(block)), points)


def test_a_newer_block_is_named() -> None:
    with pytest.raises(StoreDamaged, match="version '09'"):
        series.decode(b"\x09" + series.encode(curve(20))[1:])


# order and summaries ------------------------------------------------------------------------------


@given(FEW_POINTS)
def test_order_is_step_time_arrival(points: list[tails.Point]) -> None:
    marked = [(step, time, float(i)) for i, (step, time, _) in enumerate(points)]
    ordered = series.in_order(of(marked))
    assert list(
        zip(*(c.tolist() for c in (ordered.steps, ordered.times, ordered.values)), strict=True)
    ) == sorted(marked)


@given(FEW_POINTS)
def test_both_ways_to_sum_up_agree(points: list[tails.Point]) -> None:
    assert repr(series.summarise(of(points))) == repr(tails.summarise(points))


@given(FEW_POINTS, FEW_POINTS)
def test_summaries_add_up(one: list[tails.Point], other: list[tails.Point]) -> None:
    whole = tails.summarise(one + other)
    assert repr(tails.merge(tails.summarise(one), tails.summarise(other))) == repr(whole)


@given(FEW_POINTS)
def test_tails_come_back(points: list[tails.Point]) -> None:
    columns = of(points)
    packed = tails.pack(columns.steps.tobytes(), columns.times.tobytes(), columns.values.tobytes())
    assert len(packed) == 24 * len(points)
    assert repr(tails.unpack(packed)) == repr(points)


# sampling -----------------------------------------------------------------------------------------


@given(st.integers(5, 60), st.data())
def test_samples_are_real_ordered_and_keep_the_corners(most: int, data: st.DataObject) -> None:
    odd = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, -3.0])
    values = data.draw(st.lists(odd, min_size=1, max_size=300))
    points = Points(np.arange(len(values)), np.arange(len(values)) * 10, np.array(values))
    kept = series.sample(points, most)
    assert len(kept) <= max(most, 5)
    assert (np.diff(kept.steps) > 0).all()
    assert same(kept, points[kept.steps])
    assert {0, len(values) - 1} <= set(kept.steps.tolist())
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        assert {min(numbers), max(numbers)} <= set(kept.values.tolist())
    if len(numbers) < len(values):
        assert np.flatnonzero(np.isnan(points.values))[0] in kept.steps


def test_a_lone_spike_and_a_lone_nan_stay() -> None:
    for place in (0, 1, 499_999, 777_777, 999_998):
        points = curve(1_000_000)
        points.values[place], points.values[place + 1] = 1e9, math.nan
        kept = series.sample(points, 100)
        assert 1e9 in kept.values
        assert np.isnan(kept.values).any()


# chunks -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    create(connection, MIGRATIONS)
    return connection


def packed(db: apsw.Connection, sizes: list[int]) -> tuple[bytes, Points]:
    """Add points in batches of these sizes to a series; return its tail and all points."""
    db.execute("DELETE FROM chunks")
    tail, start, pieces = b"", 0, []
    for size in sizes:
        pieces.append(curve(size, start=start, seed=start))
        tail, start = chunks.append(db, 1, 2, tail, pieces[-1]), start + size
    return tail, series.join(pieces)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.one_of(st.integers(1, 60), st.integers(1, 70_000)), min_size=1, max_size=12))
def test_chunks_hold_all_points_in_the_order_of_arrival(db: apsw.Connection, sizes: list[int]) -> None:
    tail, points = packed(db, sizes)
    assert len(tail) <= tails.TAIL * tails.POINT.size
    rows = list(db.execute("SELECT count, min_step, max_step, sketch, data FROM chunks ORDER BY no"))
    blocks = [series.decode(data) for *_, data in rows]
    ends = [point[0] for point in tails.unpack(tail)]
    steps = [step for block in blocks for step in block.steps.tolist()] + ends
    assert steps == list(range(sum(sizes)))
    for (count, low, high, sketch, _), block in zip(rows, blocks, strict=True):
        assert (count, low, high) == (len(block), block.steps[0], block.steps[-1])
        assert count <= FULL
        assert (sketch is not None) == (count >= 8192)
    read, total = chunks.read(db, 1, 2, tail, None, None)
    assert total == len(points)
    assert same(read, points)


def test_many_small_batches_make_few_chunks(db: apsw.Connection) -> None:
    packed(db, [17] * 2000)
    assert db.execute("SELECT count(*) FROM chunks").get <= 16


def test_a_big_batch_leaves_full_chunks_alone(db: apsw.Connection) -> None:
    tail, _ = packed(db, [200_000])
    before = list(db.execute("SELECT id FROM chunks WHERE count = ?", (FULL,)))
    assert len(before) == 3
    chunks.append(db, 1, 2, tail, curve(200_000, start=200_000))
    after = list(db.execute("SELECT id FROM chunks WHERE count = ? ORDER BY no", (FULL,)))
    assert after[:3] == before
    assert len(after) == 6


@pytest.fixture(scope="module")
def long_series(db: apsw.Connection) -> tuple[bytes, Points]:
    """A series of 600,000 points that goes back once, with a spike and a NaN."""
    points = curve(600_000)
    points.steps[400_000:] -= 50_000
    points.values[123_456], points.values[450_000] = 1e9, math.nan
    db.execute("DELETE FROM chunks")
    return chunks.append(db, 1, 2, b"", points), points


@pytest.mark.parametrize(
    "window",
    [
        None,
        (0, 599_999),
        (1, 549_998),
        (100_000, 200_000),
        (350_000, 450_000),
        (123_400, 123_500),
        (7, 7),
        (9, 3),
    ],
)
def test_any_zoom_counts_right_and_hides_nothing(
    db: apsw.Connection, long_series: tuple[bytes, Points], window: tuple[int, int] | None
) -> None:
    tail, points = long_series
    low, high = window or (0, 600_000)
    inside = points[(points.steps >= low) & (points.steps <= high)]
    whole, total = chunks.read(db, 1, 2, tail, window, None)
    assert total == len(inside)
    assert same(whole, series.in_order(inside))
    for most in (5, 100, 1000):
        kept, total = chunks.read(db, 1, 2, tail, window, most)
        assert total == len(inside)
        assert len(kept) <= most
        assert same(kept, series.in_order(kept))
        assert (1e9 in kept.values) == (1e9 in inside.values)
        assert np.isnan(kept.values).any() == np.isnan(inside.values).any()
        if len(inside):
            assert (kept.steps[0], kept.steps[-1]) == (inside.steps.min(), inside.steps.max())


def test_a_block_is_as_documented() -> None:
    block = series.encode(Points(np.array([5, 7, 9]), np.array([10, 11, 400]), np.array([1.0, 2.0, 0.1])))
    raw = series.decompress(block[1:])
    assert block[:5] == b"\x01\x28\xb5\x2f\xfd"
    assert struct.unpack_from("<BBBIqqqq", raw) == (0, 2, 8, 3, 5, 2, 10, 1)
    assert raw[39:43] == bytes([0, 388 & 255, 0, 388 >> 8])
    assert raw[43:46] == bytes(struct.pack("<d", value)[0] for value in (1.0, 2.0, 0.1))
    assert len(raw) == 39 + 4 + 24
