from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from chachaml import display
from chachaml.comparison import Comparison, Section
from chachaml.core.changes import Conflicted, RunError
from chachaml.core.model import STATUSES, Status, Summary
from chachaml.display.words import cells, cut, value_text
from chachaml.results import Artifact, BestRun, Dataset, Run, Runs
from chachaml.table import Table

START = datetime(2020, 3, 1, 12, 0, 30, tzinfo=UTC)
HOSTILE = "\x1b[31mred\x07\r\n\u202e<script>alert('&')</script>\x9b"


@pytest.fixture(autouse=True)
def in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def summary(count: int = 100, nans: int = 0) -> Summary:
    return Summary(
        count=count, finite=count - nans, nans=nans, infs=0, sum=50.0, first_step=0, first_time=0, first=2.3,
        last_step=count - 1, last_time=0, last=0.3123456789, min=0.3, min_step=88, max=2.3, max_step=0,
    )  # fmt: skip


def a_run(number: int = 1, status: Status = "completed", **fields: Any) -> Run:
    defaults: dict[str, Any] = {
        "id": f"{number:032x}",
        "experiment": "iris",
        "name": f"run {number}",
        "status": status,
        "started": START,
        "created_by": "ada",
        "duration": 90.0,
        "ended": START + timedelta(seconds=90),
    }
    return Run(**(defaults | fields))


def curve(values: Sequence[float], name: str = "a run") -> display.Curve:
    return display.Curve(name, [float(step) for step in range(len(values))], list(values))


class Page(HTMLParser):
    """Checks that tags nest, and collects which there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (math.nan, "-"),
        (-3.0, "0ms"), (0.0004, "0ms"), (0.5, "500ms"), (0.9999, "1.0s"), (5.0, "5.0s"),
        (59.99, "1m 0s"), (90, "1m 30s"), (3599.6, "1h 0m"), (7500, "2h 5m"),
        (86399, "23h 59m"), (273600, "3d 4h"),
    ],
)  # fmt: skip
def test_durations_read_naturally(seconds: float | None, text: str) -> None:
    assert display.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"), (1 / 3, "0.333333"), (123456789.0, "123456789"), (1234567.8, "1.23457e+06"),
        (1e300, "1e+300"),
        (-0.0, "0"), (5e-324, "4.94066e-324"), (math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_numbers_have_six_significant_digits(value: float, text: str) -> None:
    assert display.number(value) == text


def test_times_are_shown_in_the_local_zone() -> None:
    assert display.moment(START) == "2020-03-01 17:45:30"
    assert display.moment(START, now=START) == "Mar  1 17:45"
    assert display.moment(START, now=START + timedelta(days=400)) == "2020 Mar  1"


@pytest.mark.parametrize("year", [datetime.min, datetime.max])
def test_times_at_the_ends_of_the_calendar_are_shown(year: datetime) -> None:
    assert display.moment(year.replace(tzinfo=UTC), now=START)


def test_safe_text_cannot_drive_a_terminal() -> None:
    shown = display.safe(HOSTILE)
    assert shown.isprintable()
    assert shown.startswith("\\x1b[31mred\\x07\\r\\n\\u202e<script>")
    assert display.safe("naïve 日本 🎉 👩\u200d🔬") == "naïve 日本 🎉 👩\u200d🔬"


def test_cutting_counts_wide_characters_twice() -> None:
    assert cut("日本語の名前", 7) == "日本語…"
    assert cells(cut("日本語の名前", 8)) <= 8
    assert cut("short", 5) == "short"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (None, "None"),
        (1e-4, "0.0001"),
        ("", "''"),
        (" a", "' a'"),
        ([1, "é"], '[1, "é"]'),
        (10, "10"),
    ],
)
def test_params_read_as_people_write_them(value: object, text: str) -> None:
    assert value_text(value) == text


def test_runs_print_as_an_aligned_table() -> None:
    runs = Runs(
        [a_run(1, duration=5.0), a_run(2, "running", duration=None, name="日本語", experiment="wine")]
    )
    assert (
        display.runs_text(runs, width=80).splitlines()
        == [
            "id        name    experiment  status     started       duration",
            "00000001  run 1   iris        completed  Mar  1 17:45      5.0s",
            "00000002  日本語  wine        running    Mar  1 17:45         -",
            "2 runs",
        ]
        or datetime.now().year != START.year
    )


def test_one_experiment_is_named_once_below_the_table() -> None:
    text = display.runs_text(Runs([a_run(1), a_run(2)]), width=80)
    assert "experiment" not in text.splitlines()[0]
    assert text.splitlines()[-1] == "2 runs of iris"


def test_runs_show_the_metrics_that_most_have_as_far_as_they_fit() -> None:
    metrics = {"accuracy": 0.97, "loss": 0.1}
    runs = Runs([a_run(1, metrics=metrics), a_run(2, metrics=metrics), a_run(3, metrics={"rare": 1.0})])
    wide = display.runs_text(runs, width=120).splitlines()
    assert wide[0].split()[-2:] == ["accuracy", "loss"]
    assert wide[1].split()[-2:] == ["0.97", "0.1"]
    assert "rare" not in wide[0]
    assert "accuracy" not in display.runs_text(runs, width=60)


def test_metrics_of_held_out_data_are_shown_before_those_of_training() -> None:
    run = a_run(metrics={"train/loss": 0.1, "val/loss": 0.2, "accuracy": 0.9})
    assert display.runs_text(Runs([run]), width=120).split("\n")[0].split()[-3:] == [
        "val/loss",
        "accuracy",
        "train/loss",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_keeps_to_the_width(width: int) -> None:
    runs = Runs(
        [a_run(i, name="n" * 500, experiment="日" * (90 + i), metrics={"m" * 900: 0.5}) for i in range(3)]
    )
    assert max(map(cells, display.runs_text(runs, width=width).splitlines())) <= width


def test_runs_say_when_there_are_more_and_how_to_get_them() -> None:
    runs = [a_run(i) for i in range(100)]
    assert "limit=1000" in display.runs_text(Runs(runs, next="x"))
    assert "limit" not in display.runs_text(Runs(runs))
    assert "... and 40 more runs: slice them, for example runs[60:120]" in display.runs_text(Runs(runs))
    assert "limit=1000" in display.runs_html(Runs(runs, next="x"))


def test_empty_runs_say_so() -> None:
    assert repr(Runs([])).startswith("no runs here")
    assert "no runs here" in Runs([])._repr_html_()


def test_a_run_prints_in_full() -> None:
    run = a_run(
        status="failed",
        tags={"model": "svm", "note": "# Why\nto see"},
        params={"lr": 0.001, "layers": [64, 32]},
        metrics={"loss": 0.3123456789, "accuracy": 0.9},
        summaries={"loss": summary(nans=2), "accuracy": summary(1)},
        error=RunError("ValueError", "bad\nvalue", "Traceback ..."),
        conflicts=(Conflicted("1" * 32, "lr: 0.1 stays, 0.2 was refused"),),
    )
    assert display.run_text(run, width=80, sparks={"loss": "█▄▁"}).splitlines() == [
        "run 1  00000001  failed",
        "  experiment  iris",
        "  started     2020-03-01 17:45:30, ended 2020-03-01 17:47:00",
        "  duration    1m 30s",
        "  by          ada",
        "  id          00000000000000000000000000000001",
        "  tags        model=svm",
        "params (2)",
        "  layers  [64, 32]",
        "  lr      0.001",
        "metrics (2)",
        "  metric        last  min  step  max  step       points  curve",
        "  accuracy       0.9                                  1",
        "  loss      0.312346  0.3    88  2.3     0  100 (2 NaN)  █▄▁",
        "note",
        "  # Why",
        "  to see",
        "error",
        "  ValueError: bad",
        "  value",
        "  the traceback is in run.error.traceback",
        "conflicts (1)",
        "  lr: 0.1 stays, 0.2 was refused",
    ]


def test_the_best_run_says_why_it_won() -> None:
    fields = {name: getattr(a_run(), name) for name in Run.__struct_fields__}
    best = BestRun(**fields, metric="accuracy", metric_value=0.975, metric_step=12)
    assert "accuracy = 0.975 at step 12" in repr(best)
    assert "accuracy = 0.975 at step 12" in best._repr_html_()


def test_a_run_whose_start_has_not_arrived_prints() -> None:
    stub = a_run(experiment="", name="", created_by="", ended=None, duration=None, status="running")
    assert "has not arrived yet" in repr(stub)
    assert "not known yet" in Runs([stub, a_run(2)])._repr_html_()


def test_a_run_with_a_thousand_params_says_where_the_rest_is() -> None:
    text = repr(a_run(params={f"p{i:04}": i for i in range(1000)}))
    assert "params (1,000)" in text
    assert "... and 960 more in run.params" in text


def hostile_run(status: Status) -> Run:
    return a_run(
        status=status,
        name=HOSTILE,
        experiment=HOSTILE,
        created_by=HOSTILE,
        tags={HOSTILE: HOSTILE, "note": HOSTILE},
        params={HOSTILE: HOSTILE, "list": [HOSTILE]},
        metrics={HOSTILE: math.nan},
        summaries={HOSTILE: summary()},
        error=RunError(HOSTILE, HOSTILE, HOSTILE),
        conflicts=(Conflicted("1" * 32, HOSTILE),),
        datasets=(
            Dataset(
                name=HOSTILE,
                role=HOSTILE,
                rows=3,
                columns=None,
                features=(HOSTILE,),
                digest="a" * 64,
                source=HOSTILE,
                logged=START,
            ),
        ),
        artifacts=(
            Artifact(
                run="1" * 32, name=HOSTILE, size=1, content_type=HOSTILE, format="", digest="", logged=START
            ),
        ),
    )


def hostile_comparison(run: Run) -> Comparison:
    odd = Section({HOSTILE: HOSTILE}, {HOSTILE: [HOSTILE, 1]}, {HOSTILE: [None, HOSTILE]})
    return Comparison(runs=(run, run), params=odd, metrics=odd, tags=odd, git=odd, packages=odd)


@pytest.mark.parametrize("status", STATUSES)
def test_hostile_text_reaches_neither_terminal_nor_page(status: Status) -> None:
    run = hostile_run(status)
    shown = (
        run,
        Runs([run]),
        hostile_comparison(run),
        Table({HOSTILE: [HOSTILE, 1], "b": [[HOSTILE], None]}),
    )
    for text in map(repr, (*shown, run.datasets[0], run.artifacts[0])):
        assert text.replace("\n", "").isprintable()
    svg = display.chart_svg([curve([1.0, 2.0], HOSTILE)], title=HOSTILE, x_label="step")
    for html in (*(each._repr_html_() for each in shown), svg):
        assert "script" not in Page(html).seen
        assert "alert('" not in html  # quotes are escaped too, for attributes
        assert html.replace("\n", "").isprintable()


def test_colour_is_added_around_text_and_nowhere_else() -> None:
    run = a_run(metrics={"loss": 0.3}, summaries={"loss": summary()})
    coloured = display.runs_text(Runs([run]), width=80, paint=display.ansi)
    assert "\x1b[32mcompleted\x1b[0m" in coloured
    assert "\x1b" not in display.runs_text(Runs([run]), width=80)


def test_a_curve_is_drawn_with_axes_and_legend() -> None:
    chart = display.plot_text([curve([4.0, 3.0, 2.0, 1.0, 0.0], "net")], 32, 5, key="loss")
    assert chart.splitlines() == [
        "           loss",
        "        4 ┤⠉⠢⠤⡀",
        "          │   ⠈⠉⠒⢄⣀",
        "        2 ┤        ⠑⠒⠤⣀",
        "          │            ⠉⠒⠤⢄",
        "        0 ┤                ⠉⠑⠤⢄",
        "          └┬─────────┬────────┬",
        "           0         2        4",
        "           ── net  last 0",
    ]


def test_a_gap_is_left_where_values_are_not_finite() -> None:
    values = [1.0] * 50 + [math.nan] * 50 + [math.inf] + [1.0] * 49
    chart = display.plot_text([curve(values)], width=62, height=3, key="loss")
    line = next(line for line in chart.splitlines() if "┤" in line)
    drawn = line.split("┤")[1]
    assert " " * 15 in drawn.strip()
    assert "51 points that cannot be drawn" in chart


def test_several_lines_are_told_apart_without_colour() -> None:
    both = [curve([0.0, 1.0], "up"), curve([1.0, 0.0], "down")]
    chart = display.plot_text(both, width=40, height=6, key="loss")
    assert "o" in chart.splitlines()[3]
    assert "xx down  last 0" in chart
    coloured = display.plot_text(both, width=40, height=6, key="loss", paint=display.ansi)
    assert "\x1b[36m" in coloured
    assert "\x1b[33m" in coloured


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [math.nan],
        [-1.0, -2.0],
        [5.0] * 9,
        [1e308, -1e308],
        [5e-324, 0.0],
        [math.inf, -math.inf, 0.0],
    ],
)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("width", [5, 40, 200])
def test_any_values_can_be_drawn(values: list[float], log: bool, width: int) -> None:
    assert "loss" in display.plot_text([curve(values)], width=width, height=4, key="loss", log=log)
    svg = display.chart_svg([curve(values)], title="loss", x_label="step", log=log)
    assert Page(svg).seen <= {"svg", "title", "text", "line", "polyline", "circle", "rect"}
    assert "nan" not in svg.partition("</title>")[2].partition("last")[0]


def test_a_spike_among_a_million_points_is_drawn() -> None:
    values = np.zeros(1_000_000)
    values[654_321] = 7.0
    top = display.plot_text([curve(values.tolist())], width=80, height=8, key="loss").splitlines()[1:3]
    assert any(char >= "\u2801" and char <= "\u28ff" for line in top for char in line)


def test_a_log_axis_has_decades() -> None:
    chart = display.plot_text([curve([10.0**-i for i in range(7)])], 60, 16, key="loss", log=True)
    labels = [line[:9].strip() for line in chart.splitlines() if "┤" in line]
    assert labels == ["1", "0.01", "0.0001", "1e-06"]


def test_sparklines_show_the_shape() -> None:
    assert display.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert display.sparkline([1.0, math.nan, 3.0]) == "▁ █"
    assert display.sparkline([]) == display.sparkline([math.nan]) == ""
    assert len(display.sparkline(range(1000), width=16)) == 16
    assert display.sparkline([1e308, -1e308]) == "█▁"


def test_text_needs_neither_numpy_nor_rich() -> None:
    code = (
        "import sys; from datetime import datetime, UTC; from chachaml.results import Run, Runs;"
        "run = Run(id='0' * 32, experiment='e', name='n', status='running', started=datetime.now(UTC));"
        "repr(run); repr(Runs([run]));"
        "print(sorted({'numpy', 'rich', 'pygments'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
