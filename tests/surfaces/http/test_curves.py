"""What charts draw: nothing hidden at any zoom, exact where it can be, and only what one may see."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.served import Served, served
from tests.surfaces.http.test_team import Team

from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import Writer, points, started
from chachaml.web.buckets import (
    HAS_MINUS_INF,
    HAS_NAN,
    HAS_PLUS_INF,
    HAS_POINTS,
    line,
    over_one_grid,
    typical,
)
from chachaml.web.curves import PACKED, Asked, _charts

SECOND = 1_000_000
LONG = 400_000
RUN = "1" * 32

Floats = npt.NDArray[np.float64]


def asked(http: httpx.Client, **question: Any) -> list[dict[str, Any]]:
    """Return charts as JSON, having seen that the packed answer says the same."""
    answer = http.post("/api/curves", json=question, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["charts"]
    packed = http.post("/api/curves", json=question)
    assert packed.headers["content-type"] == PACKED
    assert unpacked(packed.content) == json.loads(json.dumps(found), parse_constant=float)
    return found


def unpacked(data: bytes) -> list[dict[str, Any]]:
    """Return charts from bytes, NaN and infinities as texts."""
    size = int.from_bytes(data[:4], "little")
    head, body = json.loads(data[4 : 4 + size]), data[4 + size :]
    assert (4 + size) % 8 == 0

    def column(place: list[int], kind: str = "<f8") -> list[Any]:
        assert place[0] % 8 == 0
        values = np.frombuffer(body, kind, place[1], place[0]).tolist()
        texts = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        return [texts.get(str(value), value) for value in values]

    for chart in head["charts"]:
        chart["x"] = column(chart["x"])
        for run in chart["runs"]:
            run["flags"] = column(run["flags"], "u1")
            for name in ("mean", "min", "max", "last"):
                run[name] = column(run[name])
    charts: list[dict[str, Any]] = head["charts"]
    return charts


def write(server: Served, *changes: Any) -> None:
    Writer(server.service.store).write(*changes)


# over http ----------------------------------------------------------------------------------------


def test_few_points_are_told_as_they_are(server: Served, http: httpx.Client) -> None:
    """The grid is every place that any run has points at; a run that lacks the metric is not there."""
    one, two, bare = "1" * 32, "2" * 32, "3" * 32
    write(
        server,
        *(started(run) for run in (one, two, bare)),
        points(one, "loss", [4.0, 3.0, math.nan, -math.inf], [0, 2, 4, 6]),
        points(two, "loss", [1.0, math.inf, 5.0], [2, 3, 3]),
        points(two, "acc", [7.0], [1]),
    )
    loss, acc, none = asked(http, runs=[two, one, bare], keys=["loss", "acc", "none"])
    assert (loss["exact"], loss["x"]) == (True, [0, 2, 3, 4, 6])
    second, first = loss["runs"]
    assert (first["run"], first["first"], first["points"], first["sampled"]) == (one, 0, 4, False)
    empty = 0
    assert first["flags"] == [HAS_POINTS, HAS_POINTS, empty, HAS_POINTS | HAS_NAN, HAS_POINTS | HAS_MINUS_INF]
    assert first["last"] == [4.0, 3.0, "NaN", "NaN", "-Infinity"]
    assert first["mean"] == first["min"] == first["max"] == [4.0, 3.0, "NaN", "NaN", "NaN"]
    assert (second["run"], second["first"]) == (two, 1)
    assert second["flags"] == [HAS_POINTS, HAS_POINTS | HAS_PLUS_INF]
    assert (second["mean"], second["last"]) == ([1.0, 5.0], [1.0, 5.0])
    assert [run["run"] for run in acc["runs"]] == [two]
    assert (none["runs"], none["x"]) == ([], [])


def test_many_points_are_in_buckets(server: Served, http: httpx.Client) -> None:
    """As wide as each other, over what is seen; every column is that of its own points."""
    values = np.random.default_rng(3).normal(size=1_000)
    write(server, started(RUN), points(RUN, "loss", values))
    (chart,) = asked(http, runs=[RUN], keys=["loss"], buckets=10)
    (run,) = chart["runs"]
    parts = np.split(values, np.searchsorted(np.arange(1_000), np.arange(1, 10) * 99.9))
    assert not chart["exact"]
    assert chart["x"] == pytest.approx((np.arange(10) + 0.5) * 99.9)
    assert run["min"] == [part.min() for part in parts]
    assert run["max"] == [part.max() for part in parts]
    assert run["last"] == [part[-1] for part in parts]
    assert run["mean"] == pytest.approx([part.mean() for part in parts])
    (zoomed,) = asked(http, runs=[RUN], keys=["loss"], window=[500, 509.5], buckets=10)
    assert (zoomed["exact"], zoomed["x"]) == (True, list(range(500, 510)))
    assert zoomed["runs"][0]["mean"] == values[500:510].tolist()


def test_buckets_of_a_logarithmic_axis(server: Served, http: httpx.Client) -> None:
    write(server, started(RUN), points(RUN, "loss", range(10_001)))
    (chart,) = asked(http, runs=[RUN], keys=["loss"], buckets=40, log_x=True)
    steps = np.diff(np.log(chart["x"]))
    assert steps == pytest.approx(math.log(10_000) / 40)
    run = chart["runs"][0]
    assert (run["min"][0], run["max"][-1]) == (1, 10_000)


def test_the_time_since_the_start_and_the_date(server: Served, http: httpx.Client) -> None:
    """A run that was taken up again has later times at earlier steps."""
    write(
        server,
        started(RUN, 5 * SECOND),
        points(RUN, "loss", [1, 2, 3], [0, 1, 2], [6 * SECOND, 7 * SECOND, 8 * SECOND]),
        points(RUN, "loss", [4, 5], [1, 3], [105 * SECOND, 106 * SECOND]),
    )
    (relative,) = asked(http, runs=[RUN], keys=["loss"], x="relative")
    assert (relative["x"], relative["runs"][0]["mean"]) == ([1, 2, 3, 100, 101], [1, 2, 3, 4, 5])
    (wall,) = asked(http, runs=[RUN], keys=["loss"], x="wall", window=[7, 105])
    assert (wall["x"], wall["runs"][0]["mean"]) == ([7, 8, 105], [2, 3, 4])


def test_another_metric_as_the_axis(server: Served, http: httpx.Client) -> None:
    """Values are where the other one is at the same step; without it there is no place for them."""
    other = "2" * 32
    write(
        server,
        started(RUN),
        started(other),
        points(RUN, "loss", [9, 8, 7, 6], [0, 1, 2, 3]),
        points(RUN, "epoch", [0.5, 0.25, math.nan], [0, 2, 3]),
        points(other, "loss", [1], [0]),
    )
    (chart,) = asked(http, runs=[RUN, other], keys=["loss"], x={"metric": "epoch"})
    assert chart["x"] == [0.25, 0.5]
    assert [(run["run"], run["mean"]) for run in chart["runs"]] == [(RUN, [7, 9])]


@pytest.mark.parametrize(
    "question",
    [
        {"runs": ["x"]},
        {"keys": [""]},
        {"buckets": 1},
        {"buckets": 2001},
        {"x": "epoch"},
        {"window": [3, 2]},
        {"window": ["NaN", 1]},
        {"window": [1]},
        {"colour": 1},
        {"runs": [f"{n:032x}" for n in range(1001)]},
        {"runs": [f"{n:032x}" for n in range(1000)], "keys": [f"k{n}" for n in range(20)], "buckets": 2000},
    ],
)
def test_bad_questions_are_told(http: httpx.Client, question: dict[str, Any]) -> None:
    whole = {"runs": [RUN], "keys": ["loss"], **question}
    answer = http.post("/api/curves", json=whole)
    assert answer.status_code == 400, answer.text


def test_the_metrics_of_some_runs_are_listed(server: Served, http: httpx.Client) -> None:
    one, two, other = "1" * 32, "2" * 32, "3" * 32
    write(server, *(started(run) for run in (one, two, other)))
    write(
        server,
        points(one, "loss", [1]),
        points(two, "loss", [2]),
        points(two, "acc", [1]),
        points(other, "x", [1]),
    )
    assert http.post("/api/curves/keys", json={"runs": [one, two]}).json() == {"keys": {"acc": 1, "loss": 2}}
    assert http.post("/api/curves/keys", json={"runs": []}).json() == {"keys": {}}


def test_runs_of_other_experiments_are_not_there(tmp_path: Path) -> None:
    mine, theirs = "1" * 32, "2" * 32
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        write(
            server,
            started(mine, experiment="iris"),
            started(theirs, experiment="secret"),
            points(mine, "loss", [1]),
            points(theirs, "loss", [2]),
            points(theirs, "hidden", [2]),
        )
        team = Team(server)
        team.add("guest", iris="reader")
        with team.client("guest") as guest:
            for x in ("step", "relative", {"metric": "loss"}):
                (chart,) = asked(guest, runs=[theirs, mine], keys=["loss"], x=x)
                assert [run["run"] for run in chart["runs"]] == [mine]
            found = guest.post("/api/curves/keys", json={"runs": [theirs, mine]}).json()
            assert found == {"keys": {"loss": 1}}


# at any zoom --------------------------------------------------------------------------------------


class Long:
    """A long noisy series with spikes, in a store."""

    def __init__(self, store: Store) -> None:
        rng = np.random.default_rng(5)
        self.store = store
        self.values = rng.normal(size=LONG) + np.sin(np.arange(LONG) / 9_000) * 10
        at = rng.choice(LONG, 200, replace=False)
        self.values[at] += rng.choice([-1, 1], 200) * rng.uniform(20, 500, 200)
        self.steps = np.arange(LONG)
        self.times = (np.cumsum(rng.exponential(2.0, LONG)) * SECOND).astype(int)
        writer = Writer(store)
        writer.write(started(RUN, 0))
        for i in range(0, LONG, 60_000):
            part = slice(i, i + 60_000)
            writer.write(points(RUN, "loss", self.values[part], self.steps[part], self.times[part]))

    def drawn(self, **question: Any) -> Any:
        (chart,) = _charts(self.store, Asked(runs=[RUN], keys=["loss"], **question))
        return chart


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    with closing(open_sqlite(Path(tmp_path_factory.mktemp("long")) / "chachaml.db")) as store:
        yield Long(store)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_spike_is_hidden_at_any_zoom(long: Long, data: st.DataObject) -> None:
    """What a bucket lacks is in the next one: a stretch may end between two of them."""
    width = int(LONG ** data.draw(st.floats(0.2, 1.0)))
    first = data.draw(st.integers(0, LONG - width))
    buckets = data.draw(st.integers(2, 300))
    kind = data.draw(st.sampled_from(["step", "wall"]))
    where = long.steps.astype(float) if kind == "step" else long.times / SECOND
    window = (where[first], where[first + width - 1])
    chart = long.drawn(x=kind, window=window, buckets=buckets)
    inside = long.values[first : first + width]
    drawn = chart.lines[RUN]
    assert (np.nanmin(drawn.low), np.nanmax(drawn.high)) == (inside.min(), inside.max())
    if chart.exact:
        assert drawn.mean.tolist() == inside.tolist()
        return
    place = np.minimum(
        (where[first : first + width] - window[0]) / (window[1] - window[0]) * buckets, buckets - 1
    )
    for bucket, (low, high) in enumerate(zip(*_beside(drawn), strict=True)):
        own = inside[place.astype(int) == bucket + drawn.first]
        assert not len(own) or (low <= own.min() and own.max() <= high)


def _beside(drawn: Any) -> tuple[Floats, Floats]:
    """Return the lowest and the highest of each bucket and the two next to it."""
    low, high = np.pad(drawn.low, 1, constant_values=np.nan), np.pad(drawn.high, 1, constant_values=np.nan)
    lows, highs = (np.stack([column[:-2], column[1:-1], column[2:]]) for column in (low, high))
    return np.fmin.reduce(lows), np.fmax.reduce(highs)


def test_means_are_not_drawn_to_extremes(long: Long) -> None:
    """Of noise that has a long tail on one side, of which each stretch keeps its highest."""
    rng = np.random.default_rng(8)
    values = rng.exponential(1.0, LONG)
    Writer(long.store).write(points(RUN, "tail", values))
    (chart,) = _charts(long.store, Asked(runs=[RUN], keys=["tail"], buckets=20))
    drawn = chart.lines[RUN]
    assert chart.series[RUN].sampled
    assert drawn.mean.mean() == pytest.approx(1.0, abs=0.12)
    assert (drawn.low <= drawn.mean).all()
    assert (drawn.mean <= drawn.high).all()


def test_what_stands_for_a_stretch_is_told_from_its_extremes() -> None:
    stretches = np.array([0.0, -5, 7, 0.5, 0.2, 9, -4, 0.1, 0.3, 6, -6, 0.4])
    assert typical(stretches).tolist() == [True, False, False, True] * 3
    assert typical(np.arange(12.0)).all()
    assert typical(np.ones(12)).all()


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60),
    buckets=st.integers(2, 70),
)
def test_every_value_is_told(values: list[float], buckets: int) -> None:
    """A bucket's lowest, highest, last and flags are those of its points, and its mean lies between."""
    x = np.arange(len(values), dtype=float)
    points = line(x, np.array(values), sampled=False, window=None)
    grid, exact, drawn = over_one_grid({RUN: points}, buckets)
    assert exact == (len(values) <= buckets)
    one = drawn[RUN]
    width = 1.0 if exact else (x[-1] - x[0]) / buckets
    places = np.minimum((x / width).astype(int), len(grid) - 1)
    for place in range(len(grid)):
        own = np.array(values)[places == place]
        finite = own[np.isfinite(own)]
        assert bool(one.flags[place] & HAS_POINTS) == (len(own) > 0)
        assert bool(one.flags[place] & HAS_NAN) == bool(np.isnan(own).any())
        assert bool(one.flags[place] & HAS_PLUS_INF) == bool((own == np.inf).any())
        assert bool(one.flags[place] & HAS_MINUS_INF) == bool((own == -np.inf).any())
        if len(finite):
            assert (one.low[place], one.high[place]) == (finite.min(), finite.max())
            assert finite.min() <= one.mean[place] <= finite.max()
        else:
            assert np.isnan([one.low[place], one.high[place], one.mean[place]]).all()
        if len(own):
            np.testing.assert_equal(one.last[place], own[-1])
