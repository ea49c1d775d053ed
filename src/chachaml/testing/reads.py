"""The contract of reading: finding runs, series, and the feed."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from chachaml.core.changes import Batch, OwnerLost, ParamsLogged, RunJoined, TagsSet
from chachaml.core.errors import BadValue
from chachaml.core.ids import new_id, short
from chachaml.core.model import Facet, RunQuery, Series, Summary
from chachaml.core.query import Compare, Field, Order
from chachaml.store.protocol import Store
from chachaml.testing.material import (
    LARGEST,
    ODD_FLOATS,
    Fixtures,
    Writer,
    best_by,
    bits,
    ended,
    ids_of,
    pages_of,
    points,
    started,
)

__all__ = ["FeedContract", "QueryContract", "SeriesContract"]

Point = tuple[int, int, float]


def _columns(series: Series) -> tuple[list[int], list[int], list[int]]:
    return series.steps.tolist(), series.times.tolist(), bits(series.values)


def _expected(arrived: Sequence[Point]) -> tuple[list[int], list[int], list[int]]:
    """Return the columns that a series should have whose points arrived in this order."""
    ordered = sorted(arrived, key=lambda point: point[:2])
    return [p[0] for p in ordered], [p[1] for p in ordered], bits([p[2] for p in ordered])


def _curve(count: int, seed: int = 7) -> npt.NDArray[np.float64]:
    """Return a noisy curve."""
    noise = np.random.default_rng(seed).normal(0, 0.05, count)
    return np.exp(-np.arange(count) / count * 3) + noise


class QueryContract(Fixtures):
    """Which runs are found, in which order, and what of them."""

    def test_every_condition_must_hold(self, store: Store, writer: Writer, other: Writer) -> None:
        """Conditions are exact and combine."""
        parent = writer.start(experiment="a", name="x")
        child = writer.start(experiment="a", name="y", created_by="bob", parent=parent)
        failed = other.start(experiment="b", name="x")
        other.write(ended(failed, status="failed"))
        assert set(ids_of(store)) == {parent, child, failed}
        assert set(ids_of(store, experiment="a")) == {parent, child}
        assert ids_of(store, experiment="A") == []
        assert ids_of(store, status="failed") == [failed]
        assert set(ids_of(store, name="x")) == {parent, failed}
        assert ids_of(store, created_by="bob") == [child]
        assert ids_of(store, parent=parent) == [child]
        assert ids_of(store, owner=other.info.id) == [failed]
        assert ids_of(store, name="x", experiment="a") == [parent]
        assert ids_of(store, name="x", experiment="a", status="failed") == []

    def test_runs_that_are_not_archived_are_shown_by_default(self, store: Store, writer: Writer) -> None:
        """Only asking for archived ones leaves them out."""
        run = writer.start()
        assert ids_of(store) == ids_of(store, archived=None) == [run]
        assert ids_of(store, archived=True) == []

    def test_the_newest_come_first(self, store: Store, writer: Writer) -> None:
        """By start, then by id."""
        times = {writer.start(time): time for time in (5, 3, 9, 3, -1, 5)}
        assert ids_of(store) == sorted(times, key=lambda run: (times[run], run), reverse=True)

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
    def test_pages_hold_every_run_once(self, store: Store, writer: Writer, limit: int) -> None:
        """The last page says that it is the last, even when it is full."""
        for i in range(8):
            writer.start(i // 3)
        pages = pages_of(store, RunQuery(limit=limit))
        assert [run for page in pages for run in page] == ids_of(store)
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert 1 <= len(pages[-1]) <= limit

    def test_pages_stand_still_while_runs_arrive(self, store: Store, writer: Writer) -> None:
        """A newer run does not push an older one onto the next page again."""
        first = [writer.start(time) for time in (50, 40, 30, 20)]
        page = store.find_runs(RunQuery(limit=2))
        writer.start(60)
        late = writer.start(25)
        rest = store.find_runs(RunQuery(limit=10, cursor=page.next))
        assert [run.id for run in page.runs] == first[:2]
        assert [run.id for run in rest.runs] == [first[2], late, first[3]]

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_below_one_is_refused(self, store: Store, limit: int) -> None:
        """There is no such page."""
        with pytest.raises(BadValue):
            store.find_runs(RunQuery(limit=limit))

    @pytest.mark.parametrize("cursor", ["nonsense", "é", "%%%", "AAAA", "' OR 1=1 --", "x" * 10_000])
    def test_what_is_no_cursor_is_refused(self, store: Store, writer: Writer, cursor: str) -> None:
        """Cursors are opaque: only those of a page will do."""
        writer.start()
        with pytest.raises(BadValue):
            store.find_runs(RunQuery(cursor=cursor))

    def _runs_with_metric(self, writer: Writer) -> dict[str, str]:
        """Start runs with the metric ``a`` in many forms; return their ids by name."""
        series: dict[str, list[float]] = {
            "low": [0.1, 0.2],
            "high": [0.9, -5.0, math.nan],
            "mixed": [math.inf, 0.5, -math.inf],
            "tie": [0.5],
            "all nan": [math.nan],
            "infinite": [math.inf],
        }
        runs = {name: writer.start(i, name=name) for i, name in enumerate(series)}
        for name, values in series.items():
            writer.write(points(runs[name], "a", values))
        writer.write(points(writer.start(99), "b", [1.0]))
        return runs

    @pytest.mark.parametrize(
        ("by", "descending", "names"),
        [
            ("max", True, ["high", "tie", "mixed", "low"]),
            ("max", False, ["low", "tie", "mixed", "high"]),
            ("min", True, ["tie", "mixed", "low", "high"]),
            ("min", False, ["high", "low", "tie", "mixed"]),
        ],
    )
    def test_runs_are_ordered_by_a_metric(
        self, store: Store, writer: Writer, by: str, descending: bool, names: list[str]
    ) -> None:
        """By finite values only; runs without one are left out; of equal runs the newest comes first."""
        runs = self._runs_with_metric(writer)
        query = best_by("a", by, descending=descending)
        assert ids_of(store, **query) == [runs[name] for name in names]
        assert pages_of(store, RunQuery(**query, limit=1)) == [[runs[name]] for name in names]
        assert ids_of(store, **query, name="low") == [runs["low"]]
        assert ids_of(store, **best_by("missing")) == []

    def test_ids_are_found_by_their_parts(self, store: Store, writer: Writer) -> None:
        """By how they start, or how their short form does; nothing in the text is a wildcard."""
        run, twin, far = "0190aaaa" + "1" * 16 + "deadbeef", "0190aaab" + "1" * 16 + "0190aaaa", "f" * 32
        writer.write(started(run, 1), started(twin, 2), started(far, 3))
        assert ids_of(store, text_id=run) == [run]
        assert ids_of(store, text_id="0190aaa") == [twin, run]
        assert ids_of(store, text_id="0190aaaa") == [twin, run]
        assert ids_of(store, text_id=short(run)) == ids_of(store, text_id="dead") == [run]
        for nothing in ("1111", "beef", "%", "0190____", "DEADBEEF", "0190aaaa1%", run + "0", "'"):
            assert ids_of(store, text_id=nothing) == []

    def test_values_come_when_asked_for(self, store: Store, writer: Writer) -> None:
        """Tags always; params and metrics of each run as if it were read alone."""
        runs = [writer.start(tags={"k": str(i)}) for i in range(3)]
        for i, run in enumerate(runs):
            writer.write(ParamsLogged(run, 1, {"i": str(i)}), points(run, "a", [i, math.nan], [i, i + 1]))
        for row in store.find_runs(RunQuery(with_values=True)).runs:
            assert repr(row) == repr(store.get_run(row.id))
        for row in store.find_runs(RunQuery()).runs:
            assert (row.params, row.metrics) == ({}, {})
            assert row.tags == store.get_run(row.id).tags

    def test_metrics_may_come_with_their_last_point_alone(self, store: Store, writer: Writer) -> None:
        """Found and ordered by all that is known, filled as if there were no other point."""
        high = Compare(Field("metric", "a", "max"), ">", 5.0)
        for values in ([9.0, 1.5], [8.0, math.nan], [7.0, math.inf], [6.0, -math.inf], [1.0]):
            run = writer.start(tags={"n": str(values)})
            writer.write(ParamsLogged(run, 1, {"p": "1"}), points(run, "a", values))
        query = RunQuery(filter=high, order=(Order(Field("metric", "a", "max")),), with_values=True)
        rows = store.find_runs(replace(query, last_only=True)).runs
        lasts = [row.metrics["a"] for row in store.find_runs(query).runs]
        alone = [Summary.of_point(one.last_step, one.last_time, one.last) for one in lasts]
        assert repr([row.metrics["a"] for row in rows]) == repr(alone)
        assert [(one.count, one.finite, one.nans, one.infs, one.max) for one in alone] == [
            (1, 0, 0, 1, None),
            (1, 0, 0, 1, None),
            (1, 0, 1, 0, None),
            (1, 1, 0, 0, 1.5),
        ]
        assert all(row.params == {"p": 1} for row in rows)

    @pytest.mark.parametrize("order", [(), (Order(Field("metric", "a"), descending=True),)])
    def test_a_page_can_begin_anywhere(self, store: Store, writer: Writer, order: tuple[Order, ...]) -> None:
        """By an offset, in any order; such pages have no next."""
        runs = [writer.start(time=1_000 + i) for i in range(7)]
        writer.write(*(points(run, "a", [i % 3]) for i, run in enumerate(runs[:6])))
        every = [row.id for row in store.find_runs(RunQuery(order=order)).runs]
        for offset in range(1, 9):
            page = store.find_runs(RunQuery(order=order, offset=offset, limit=2))
            assert ([row.id for row in page.runs], page.next) == (every[offset : offset + 2], "")
        with pytest.raises(BadValue):
            store.find_runs(RunQuery(offset=-1))

    def test_chosen_keys_alone_are_filled(self, store: Store, writer: Writer) -> None:
        """Params and metrics; tags are always there."""
        run = writer.start(tags={"t": "v"})
        writer.write(ParamsLogged(run, 1, {"a": "1", "b": "2"}), points(run, "a", [1]), points(run, "c", [1]))
        (row,) = store.find_runs(RunQuery(with_values=True, keys=("a", "none"))).runs
        assert (row.params, [*row.metrics], row.tags) == ({"a": 1}, ["a"], {"t": "v"})

    def test_fields_of_many_runs_are_columns(self, store: Store, writer: Writer) -> None:
        """In the order of the runs; None where one has none, NaN where it is."""
        one, two, three = (writer.start(time=1_000 + i, name=f"n{i}", tags={"t": str(i)}) for i in range(3))
        writer.write(ParamsLogged(one, 1, {"p": '"x"'}), ParamsLogged(two, 1, {"p": "[1,2]"}))
        writer.write(points(one, "a", [1, math.nan]), points(three, "a", [4, 2]), ended(one, 2_000_000))
        fields = [
            *(Field("metric", "a", part) for part in ("last", "max", "count", "mean")),
            Field("param", "p"),
            Field("tag", "t"),
            *(Field("attribute", name) for name in ("name", "status", "started", "experiment", "archived")),
            Field("metric", "none"),
        ]
        found = store.values(RunQuery(limit=10), fields)
        assert found.runs == [three, two, one]
        assert repr(found.columns) == repr(
            [
                [2.0, None, math.nan],
                [4.0, None, 1.0],
                [2.0, None, 2.0],
                [3.0, None, 1.0],
                [None, [1, 2], "x"],
                ["2", "1", "0"],
                ["n2", "n1", "n0"],
                ["running", "running", "completed"],
                [1_002, 1_001, 1_000],
                ["contract"] * 3,
                [False] * 3,
                [None] * 3,
            ]
        )
        assert store.values(RunQuery(limit=1, offset=1), fields[:1]).runs == [two]

    def test_facets_tell_what_runs_have(self, store: Store, writer: Writer) -> None:
        """How many have a key, how many values differ, and between what they lie."""
        runs = [writer.start(time=1_000 + i, tags={"t": "same"}) for i in range(4)]
        writer.write(
            *(
                ParamsLogged(run, 1, {"p": text})
                for run, text in zip(runs, ["1", "2", '"x"', "1"], strict=True)
            )
        )
        writer.write(
            points(runs[0], "a", [1, 5, 3]), points(runs[1], "a", [math.nan]), points(runs[2], "a", [-2])
        )
        assert store.facets(RunQuery(limit=10)) == [
            Facet("metric", "a", 3, 2, -2.0, 3.0, 3),
            Facet("param", "p", 4, 3, 1.0, 2.0),
            Facet("tag", "t", 4, 1),
        ]
        assert store.facets(RunQuery(limit=1)) == [
            Facet("param", "p", 1, 1, 1.0, 1.0),
            Facet("tag", "t", 1, 1),
        ]

    def test_what_was_read_never_changes(self, store: Store, writer: Writer) -> None:
        """Neither by later writes, nor for others by what the reader does to it."""
        run = writer.start(tags={"k": "v"})
        writer.write(ParamsLogged(run, 1, {"p": "[1]"}), points(run, "a", [1.0, 2.0]))
        row, again = store.get_run(run), store.get_run(run)
        page, series = store.find_runs(RunQuery(with_values=True)), store.read_series(run, "a")
        before = repr((row, page)), _columns(series)
        writer.write(TagsSet(run, 1, {"k": "w"}), ParamsLogged(run, 1, {"q": "2"}), points(run, "a", [3.0]))
        assert (repr((row, page)), _columns(series)) == before
        row.tags["k"] = "mine"
        row.params["p"].append(2)
        row.metrics.clear()
        fresh = store.get_run(run)
        assert (fresh.tags, fresh.params) == ({"k": "w"}, {"p": [1], "q": 2})
        assert fresh.metrics["a"].count == 3
        assert again.params == {"p": [1]}


class SeriesContract(Fixtures):
    """Points: all of them, in order, bit for bit; their summaries; what sampling keeps."""

    def test_points_are_ordered_by_step_time_and_arrival(
        self, store: Store, writer: Writer, other: Writer
    ) -> None:
        """Steps may repeat and go back, across batches and journals; nothing is merged."""
        run = writer.start()
        arrived: list[Point] = []
        rng = np.random.default_rng(3)
        for i in range(40):
            count = int(rng.integers(1, 8))
            steps, times = rng.integers(-3, 4, count).tolist(), rng.integers(0, 3, count).tolist()
            values = [i + j / 100 for j in range(count)]
            (writer, other)[i % 2].write(points(run, "a", values, steps, times))
            arrived += zip(steps, times, values, strict=True)
        series = store.read_series(run, "a")
        assert _columns(series) == _expected(arrived)
        assert (series.total, series.sampled, series.run, series.key) == (len(arrived), False, run, "a")

    def test_points_without_steps_are_numbered_behind_the_highest(self, store: Store, writer: Writer) -> None:
        """Within a batch and across batches, beside points that have steps."""
        run = writer.start()
        bare = replace(points(run, "a", [1.0, 2.0]), steps=b"")
        writer.write(bare, points(run, "a", [3.0, 4.0], [7, 3]), bare)
        store.apply_all([Batch((bare,), command="bare")])
        assert store.read_series(run, "a").steps.tolist() == [0, 1, 3, 7, 8, 9, 10, 11]
        assert store.get_run(run).metrics["a"].last_step == 11
        top = points(run, "top", [1.0], [2**63 - 1])
        writer.write(top, replace(top, steps=b""))
        assert store.read_series(run, "top").steps.tolist() == [2**63 - 1] * 2

    @pytest.mark.parametrize("size", [1, 5, 16, 17, 100])
    def test_many_small_batches_are_one_series(self, store: Store, writer: Writer, size: int) -> None:
        """However the points were cut into batches."""
        run, values = writer.start(), _curve(300)
        for i in range(0, 300, size):
            cut = values[i : i + size]
            writer.write(points(run, "a", cut, range(i, i + len(cut)), range(i, i + len(cut))))
        assert _columns(store.read_series(run, "a")) == _expected(
            [(i, i, v) for i, v in enumerate(values.tolist())]
        )

    def test_a_long_series_is_whole(self, store: Store, writer: Writer) -> None:
        """With a stretch of steps that goes back over half of it."""
        run, values = writer.start(), _curve(150_000)
        steps = [*range(100_000), *range(50_000, 100_000)]
        for i in range(0, len(values), 25_000):
            writer.write(
                points(run, "a", values[i : i + 25_000], steps[i : i + 25_000], range(i, i + 25_000))
            )
        arrived = [
            (step, i, value) for i, (step, value) in enumerate(zip(steps, values.tolist(), strict=True))
        ]
        assert _columns(store.read_series(run, "a")) == _expected(arrived)
        window = store.read_series(run, "a", (49_990, 50_010))
        assert _columns(window) == _expected([p for p in arrived if 49_990 <= p[0] <= 50_010])
        self._assert_summary(store.get_run(run).metrics["a"], arrived)

    @pytest.mark.parametrize(
        "values",
        [
            ODD_FLOATS,
            (math.nan,),
            (math.inf, math.nan),
            (-0.0,),
            (2.0, 1.0, 1.0, 2.0, math.nan),
            tuple(np.array([0x7FF8000000000123], "<u8").view("<f8").tolist()),
        ],
        ids=["odd", "nan", "not finite", "minus zero", "ties", "nan with a payload"],
    )
    def test_odd_floats_come_back_bit_for_bit(
        self, store: Store, writer: Writer, values: tuple[float, ...]
    ) -> None:
        """And the summary counts them as it says."""
        run = writer.start()
        writer.write(points(run, "a", values))
        assert bits(store.read_series(run, "a").values) == bits(values)
        self._assert_summary(store.get_run(run).metrics["a"], [(i, i, v) for i, v in enumerate(values)])

    def test_extreme_steps_and_times_come_back(self, store: Store, writer: Writer) -> None:
        """All of int64, side by side."""
        run = writer.start()
        steps = [LARGEST, -LARGEST - 1, 0, LARGEST, -1]
        times = [-LARGEST - 1, LARGEST, 0, LARGEST, 1]
        writer.write(points(run, "a", [1, 2, 3, 4, 5], steps, times))
        arrived = list(zip(steps, times, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))
        assert _columns(store.read_series(run, "a")) == _expected(arrived)
        assert store.read_series(run, "a", (-LARGEST - 1, LARGEST)).total == 5
        self._assert_summary(store.get_run(run).metrics["a"], arrived)

    def test_a_summary_speaks_of_all_points(self, store: Store, writer: Writer, other: Writer) -> None:
        """Of those that arrive late and out of order too, after each batch."""
        run, rng = writer.start(), np.random.default_rng(11)
        arrived: list[Point] = []
        for i in range(30):
            count = int(rng.integers(1, 6))
            steps = rng.integers(0, 20, count).tolist()
            values = [float(rng.choice([math.nan, math.inf, 1.0, 2.0, -3.5, i])) for _ in range(count)]
            (writer, other)[i % 2].write(points(run, "a", values, steps, [5] * count))
            arrived += [(step, 5, value) for step, value in zip(steps, values, strict=True)]
            self._assert_summary(store.get_run(run).metrics["a"], arrived)

    @staticmethod
    def _assert_summary(summary: Summary, arrived: Sequence[Point]) -> None:
        ordered = sorted(arrived, key=lambda point: point[:2])
        values = np.array([value for _, _, value in ordered])
        finite = values[np.isfinite(values)]
        first, last = ordered[0], ordered[-1]
        assert (summary.count, summary.finite) == (len(values), len(finite))
        assert (summary.nans, summary.infs) == (int(np.isnan(values).sum()), int(np.isinf(values).sum()))
        assert (summary.first_step, summary.first_time) == first[:2]
        assert (summary.last_step, summary.last_time) == last[:2]
        np.testing.assert_array_equal([summary.first, summary.last], [first[2], last[2]])
        assert math.isclose(summary.sum, math.fsum(finite), rel_tol=1e-9, abs_tol=1e-9)
        if len(finite) == 0:
            assert (summary.min, summary.min_step, summary.max, summary.max_step) == (None,) * 4
            assert summary.mean is None
            return
        assert (summary.min, summary.max) == (finite.min(), finite.max())
        assert summary.min_step == ordered[int(np.flatnonzero(values == finite.min())[0])][0]
        assert summary.max_step == ordered[int(np.flatnonzero(values == finite.max())[0])][0]

    @pytest.mark.parametrize(
        "window", [(0, 9), (3, 5), (5, 5), (-10, 3), (8, LARGEST), (20, 30), (5, 4), (-LARGEST - 1, LARGEST)]
    )
    def test_a_window_holds_its_two_ends(self, store: Store, writer: Writer, window: tuple[int, int]) -> None:
        """Where there are none, the columns are empty."""
        run = writer.start()
        arrived = [(i % 10, i, float(i)) for i in range(30)]
        writer.write(points(run, "a", [p[2] for p in arrived], [p[0] for p in arrived], range(30)))
        series = store.read_series(run, "a", window)
        inside = [p for p in arrived if window[0] <= p[0] <= window[1]]
        assert _columns(series) == _expected(inside)
        assert (series.total, series.sampled) == (len(inside), False)

    @pytest.mark.parametrize("count", [6, 17, 300, 5_000, 140_000])
    @pytest.mark.parametrize("most", [5, 7, 64, 1_000])
    def test_sampling_hides_no_extreme(self, store: Store, writer: Writer, count: int, most: int) -> None:
        """It returns real points, never too many, with the ends, the spikes and a NaN among them."""
        run, values = writer.start(), _curve(count)
        values[count // 3], values[count // 2], values[2 * count // 3] = 100.0, -100.0, math.nan
        for i in range(0, count, 40_000):
            cut = values[i : i + 40_000]
            writer.write(points(run, "a", cut, range(i, i + len(cut)), range(i, i + len(cut))))
        series = store.read_series(run, "a", max_points=most)
        assert series.sampled == (count > most)
        assert series.total == count
        assert min(count, most // 5) <= len(series.steps) <= most
        assert bits(series.values) == bits(values[series.steps])
        assert series.times.tolist() == series.steps.tolist()
        assert (np.diff(series.steps) > 0).all()
        assert (series.steps[0], series.steps[-1]) == (0, count - 1)
        assert {count // 3, count // 2, 2 * count // 3} <= set(series.steps.tolist())

    def test_sampling_keeps_infinities(self, store: Store, writer: Writer) -> None:
        """They are the lowest and the highest of their stretch."""
        run, values = writer.start(), _curve(3_000)
        values[1_234], values[2_345] = math.inf, -math.inf
        writer.write(points(run, "a", values))
        assert {1_234, 2_345} <= set(store.read_series(run, "a", max_points=50).steps.tolist())

    def test_a_window_is_sampled_within(self, store: Store, writer: Writer) -> None:
        """What lies outside does not show."""
        run, values = writer.start(), _curve(100_000)
        values[[10, 60_000, 99_990]] = 50.0
        writer.write(points(run, "a", values))
        series = store.read_series(run, "a", (40_000, 70_000), max_points=100)
        assert series.sampled
        assert len(series.steps) <= 100
        assert series.total >= 30_001
        assert ((series.steps >= 40_000) & (series.steps <= 70_000)).all()
        assert 60_000 in series.steps
        assert bits(series.values) == bits(values[series.steps])

    @pytest.mark.parametrize("most", [4, 0, -1])
    def test_fewer_than_five_points_are_too_few(self, store: Store, writer: Writer, most: int) -> None:
        """They could not hold what one stretch keeps."""
        run = writer.start()
        writer.write(points(run, "a", [1.0]))
        with pytest.raises(BadValue):
            store.read_series(run, "a", max_points=most)

    @pytest.mark.parametrize("stretches", [20, 200, 5_000])
    @pytest.mark.parametrize("window", [None, (30_000, 110_000)])
    def test_an_outline_hides_no_extreme(
        self, store: Store, writer: Writer, stretches: int, window: tuple[int, int] | None
    ) -> None:
        """It is of real points: all of them, or those that stand for stretches, with the ends among them."""
        run, values = writer.start(), _curve(140_000)
        spikes = [40_000, 50_000, 90_000, 100_000]
        values[spikes] = 100.0, -100.0, math.nan, math.inf
        for i in range(0, len(values), 40_000):
            cut = values[i : i + 40_000]
            writer.write(points(run, "a", cut, range(i, i + len(cut)), range(i, i + len(cut))))
        (series,) = store.read_outlines([(run, "a")], window, stretches)
        first, last = window or (0, 139_999)
        assert series.sampled == (len(series.steps) < last - first + 1)
        assert len(series.steps) >= min(stretches, last - first + 1)
        assert bits(series.values) == bits(values[series.steps])
        assert series.times.tolist() == series.steps.tolist()
        assert (np.diff(series.steps) > 0).all()
        assert (series.steps[0], series.steps[-1]) == (first, last)
        assert {*spikes} <= set(series.steps.tolist())

    def test_outlines_are_of_what_there_is(self, store: Store, writer: Writer) -> None:
        """In the order asked for; runs and metrics that are not there are left out."""
        one, two = writer.start(), writer.start()
        writer.write(points(one, "a", [1.0, math.nan]), points(two, "a", [3.0]), points(two, "b", [4.0]))
        asked = [(two, "b"), (one, "a"), (one, "b"), (new_id(), "a"), (two, "a")]
        found = store.read_outlines(asked)
        assert [(one.run, one.key) for one in found] == [(two, "b"), (one, "a"), (two, "a")]
        assert [bits(one.values) for one in found] == [bits([4.0]), bits([1.0, math.nan]), bits([3.0])]
        assert [one.total for one in store.read_outlines(asked, (1, 5))] == [0, 1, 0]


class FeedContract(Fixtures):
    """What live pages and copies follow."""

    def test_the_feed_tells_every_batch_once_and_in_order(
        self, store: Store, writer: Writer, other: Writer
    ) -> None:
        """With the runs that it touched, and the cursor that its receipt gave."""
        one, two = new_id(), new_id()
        receipts = [
            writer.write(started(one), points(one, "a", [1.0]), started(two)),
            other.write(RunJoined(two, 5)),
            store.apply(Batch((TagsSet(one, 1, {"k": "v"}),), command="c")),
        ]
        store.apply(Batch((TagsSet(one, 1, {"k": "v"}),), command="c"))
        feed = store.changes_since(0)
        assert [set(row.runs) for row in feed.rows] == [{one, two}, {two}, {one}]
        assert all(len(row.runs) == len(set(row.runs)) for row in feed.rows)
        assert [row.cursor for row in feed.rows] == [receipt.cursor for receipt in receipts]
        assert 0 < feed.rows[0].cursor < feed.rows[1].cursor < feed.rows[2].cursor == feed.cursor

    def test_the_feed_goes_on_from_its_cursor(self, store: Store, writer: Writer) -> None:
        """By any number of batches at a time; at the end it stays."""
        runs = [writer.start() for _ in range(7)]
        cursor, seen = 0, []
        while (feed := store.changes_since(cursor, limit=3)).rows:
            assert len(feed.rows) <= 3
            seen += [run for row in feed.rows for run in row.runs]
            cursor = feed.cursor
        assert seen == runs
        assert feed.cursor == cursor
        late = writer.start()
        assert [row.runs for row in store.changes_since(cursor).rows] == [(late,)]

    def test_a_lost_owner_touches_the_runs_that_crashed(self, store: Store, writer: Writer) -> None:
        """And no others."""
        done, alive = writer.start(), writer.start()
        writer.write(ended(done))
        cursor = store.changes_since(0).cursor
        store.apply(Batch((OwnerLost(writer.info.id, 9_000),), command="lost"))
        assert [row.runs for row in store.changes_since(cursor).rows] == [(alive,)]

    def test_info_counts_runs_and_points(self, store: Store, writer: Writer) -> None:
        """All of them."""
        for _ in range(3):
            run = writer.start()
            writer.write(points(run, "a", range(20)), points(run, "b", [1.0]))
        info = store.info()
        assert (info.id, info.runs, info.points) == (store.id, 3, 63)
        assert info.backend
        assert info.location
        assert store.check() == []
