"""Charts in a real browser: what is drawn, what the pointer does, what the address keeps, what changes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from chachaml.testing import Writer, points, started
from tests.browser.conftest import Watched
from tests.browser.looks import EVIL, faults
from tests.served import Served

MOUNT = """async (runs) => {
  const { prefix, build } = document.documentElement.dataset;
  const at = `${prefix}/static/${build}/`;
  for (const name of ["vendor/uplot-1.6.32.css", "css/charts.css"]) {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: at + name });
    document.head.append(style);
    await new Promise((done) => { style.onload = done; });
  }
  const { workspace, WORKSPACE_STATE } = await import(at + "charts/workspace.js");
  const { UrlState } = await import(at + "lib/state.js");
  window.focused = (await import(at + "charts/focus.js")).focus;
  const host = document.createElement("div");
  const title = document.createElement("h1");
  title.textContent = "Charts";
  document.querySelector("main").replaceChildren(title, host);
  window.state = new UrlState(WORKSPACE_STATE);
  window.charts = workspace(host, { state: window.state });
  window.charts.setRuns(runs);
}"""


@pytest.fixture
def writer(server: Served) -> Writer:
    return Writer(server.service.store)


def mount(page: Page, runs: Sequence[str], address: str = "/api/docs", names: Sequence[str] = ()) -> None:
    """Show a workspace in the place of a page."""
    page.goto(address)
    named = [{"id": run, "name": names[at] if names else f"run {at}"} for at, run in enumerate(runs)]
    page.evaluate(MOUNT, named)


def card(page: Page, key: str) -> Locator:
    return page.locator(f".chart-card[data-key={key!r}]")


def drawn(page: Page, key: str) -> dict[str, Any]:
    """Return what a chart shows: its axes' ends and how many points of each run."""
    page.wait_for_function("(key) => charts.cards.get(key)?.chart?.shown.size", arg=key)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    found: dict[str, Any] = page.evaluate(
        """(key) => {
          const { chart } = charts.cards.get(key);
          const { x, y } = chart.plot?.scales ?? { x: {}, y: {} };
          return {
            x: [x.min, x.max], y: [y.min, y.max],
            runs: Object.fromEntries([...chart.shown].map(([run, curve]) => [run, curve.x.length])),
          };
        }""",
        key,
    )
    return found


def inked(page: Page, key: str) -> int:
    """Return how many pixels of a chart are neither grey nor empty."""
    count: int = page.evaluate(
        """(key) => {
          const { ctx } = charts.cards.get(key).chart.plot;
          const { data } = ctx.getImageData(0, 0, ctx.canvas.width, ctx.canvas.height);
          let count = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [r, g, b, a] = data.subarray(at, at + 4);
            if (a > 40 && Math.max(r, g, b) - Math.min(r, g, b) > 40) count += 1;
          }
          return count;
        }""",
        key,
    )
    return count


def drag(page: Page, place: Locator, start: float, end: float) -> None:
    box = place.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
    page.mouse.up()


def curve(count: int, scale: float = 1.0) -> list[float]:
    return [scale * math.exp(-step / count * 4) for step in range(count)]


def start(writer: Writer, number: int, **metrics: Sequence[float]) -> str:
    """Write a run with some metrics, "__" for "/" in their names."""
    run = f"{number:032x}"
    writer.write(
        started(run), *(points(run, key.replace("__", "/"), values) for key, values in metrics.items())
    )
    return run


def test_a_chart_for_each_metric_in_sections(page: Page, writer: Writer) -> None:
    """Those of one value a run are bars; what is filtered, folded and pinned is in the address."""
    runs = [
        start(writer, n, loss=curve(50), train__acc=curve(50, n), train__top=curve(9), final=[n])
        for n in (1, 2, 3)
    ]
    mount(page, runs)
    expect(page.locator(".chart-section-head")).to_have_text(["Metrics2", "train2"])
    assert drawn(page, "loss")["runs"] == dict.fromkeys(runs, 50)
    assert drawn(page, "loss")["x"] == [0, 49]
    assert inked(page, "loss") > 300
    expect(card(page, "final").locator(".chart-bar")).to_have_text(["run 23", "run 12", "run 01"])
    page.get_by_role("searchbox").fill("^train/(a|x)")
    expect(page.locator(".chart-card")).to_have_count(1)
    page.get_by_role("searchbox").fill("top(")
    expect(page.get_by_text("No metric matches.")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    card(page, "train/top").get_by_role("button", name="More").click()
    page.get_by_role("button", name="Pin to the top").click()
    expect(page.locator(".chart-section-head")).to_have_text(["Pinned1", "Metrics2", "train1"])
    page.get_by_role("button", name=re.compile("^Metrics")).click()
    expect(card(page, "loss")).to_be_hidden()
    mount(page, runs, page.url)
    expect(page.locator(".chart-section-head")).to_have_text(["Pinned1", "Metrics2", "train1"])
    expect(card(page, "loss")).to_be_hidden()


def test_dragging_zooms_all_charts_and_asks_for_detail(page: Page, writer: Writer) -> None:
    """A spike among 200,000 points is seen before and after; two clicks bring all of it back."""
    values = [math.sin(n / 5_000) for n in range(200_000)]
    values[120_500] = 50.0
    run = start(writer, 1, loss=values, acc=curve(200_000))
    mount(page, [run])
    whole = drawn(page, "loss")
    assert whole["y"][1] > 50
    assert whole["runs"][run] < 2_000
    with page.expect_response("**/api/curves") as asked:
        drag(page, card(page, "loss").locator(".u-over"), 0.55, 0.65)
    question = asked.value.request.post_data_json
    assert sorted(question["keys"]) == ["acc", "loss"]
    low, high = question["window"]
    assert low == pytest.approx(110_000, abs=3_000)
    assert high == pytest.approx(130_000, abs=3_000)
    page.wait_for_function("(run) => charts.cards.get('loss').chart.detail?.curves.get(run)", arg=run)
    zoomed = drawn(page, "loss")
    assert zoomed["x"] == [low, high]
    assert zoomed["y"][1] > 50
    assert drawn(page, "acc")["x"] == [low, high]
    mount(page, [run], page.url)
    assert drawn(page, "loss")["x"] == [low, high]
    card(page, "loss").hover()
    page.get_by_role("button", name="Enlarge loss").click()
    page.wait_for_function("() => charts.large?.chart.detail?.curves.size === 1")
    assert page.evaluate("charts.large.chart.rangeX()") == [low, high]
    page.keyboard.press("Escape")
    card(page, "loss").locator(".u-over").dblclick()
    page.wait_for_function("() => charts.cards.get('acc').chart.plot.scales.x.max > 199000")
    assert "zoom" not in page.url


def test_the_pointer_names_values_and_a_run_stands_out_everywhere(page: Page, writer: Writer) -> None:
    runs = [start(writer, n, loss=[float(n)] * 40, acc=curve(40, n)) for n in range(1, 13)]
    writer.write(points(runs[0], "loss", [math.nan], [19]))
    mount(page, runs)
    drawn(page, "loss")
    drawn(page, "acc")
    over = card(page, "loss").locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    top = page.evaluate("charts.cards.get('loss').chart.plot.valToPos(7, 'y')")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + top)
    tip = page.locator(".chart-tip")
    expect(tip).to_contain_text("and 2 further away")
    rows = tip.locator("tr").all_inner_texts()
    assert [row.split("\t")[-2].strip() for row in rows] == sorted(
        (row.split("\t")[-2].strip() for row in rows), key=float, reverse=True
    )
    expect(tip.locator("tr.on")).to_contain_text("run 6")
    assert page.evaluate("focused.run") == runs[6]
    dimmed = "() => charts.cards.get('acc').chart.overlay.toDataURL()"
    standing_out = page.evaluate(dimmed)
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    assert page.evaluate("focused.run") == ""
    assert page.evaluate(dimmed) != standing_out


def test_settings_change_what_is_drawn_and_are_in_the_address(page: Page, writer: Writer) -> None:
    noisy = [n % 2 + 1.0 for n in range(100)]
    noisy[50] = 1_000.0
    runs = [
        start(writer, n, loss=noisy, val__loss=noisy, epoch=[s // 10 for s in range(100)]) for n in (1, 2)
    ]
    mount(page, runs)
    assert drawn(page, "loss")["y"][1] > 1_000
    page.get_by_role("button", name="Charts", exact=True).click()
    page.get_by_label("Leave out outliers").check()
    page.wait_for_function("() => charts.cards.get('loss').chart.plot.scales.y.max < 3")
    page.get_by_role("slider", name="Smoothing").fill("0.9")
    page.get_by_label("Horizontal axis").select_option("metric")
    page.get_by_label("Metric on the x axis").fill("epoch")
    page.keyboard.press("Tab")
    page.wait_for_function("() => charts.cards.get('loss').chart.plot.scales.x.max === 9")
    assert drawn(page, "loss")["runs"][runs[0]] == 10
    page.keyboard.press("Escape")
    page.locator(".chart-section-head", has_text="val").hover()
    page.get_by_role("button", name="Settings of val").click()
    page.get_by_label("Horizontal axis").select_option("step")
    page.wait_for_function("() => charts.cards.get('val/loss').chart.plot.scales.x.max === 99")
    mount(page, runs, page.url)
    assert (drawn(page, "loss")["x"], drawn(page, "val/loss")["x"]) == ([0, 9], [0, 99])


def test_runs_come_and_go_and_only_what_is_missing_is_asked_for(page: Page, writer: Writer) -> None:
    runs = [start(writer, n, loss=curve(30, n)) for n in (1, 2, 3)]
    mount(page, runs[:2])
    drawn(page, "loss")
    questions: list[Any] = []
    page.on(
        "request",
        lambda request: questions.append(request.post_data_json) if request.url.endswith("/curves") else None,
    )
    page.evaluate("(run) => state.set({ hidden: [run] })", runs[0])
    page.wait_for_function("() => charts.cards.get('loss').chart.shown.size === 1")
    page.evaluate("() => state.set({ hidden: [] })")
    page.wait_for_function("() => charts.cards.get('loss').chart.shown.size === 2")
    page.evaluate("(runs) => charts.setRuns(runs.map((id) => ({ id, name: id })))", runs[::-1])
    page.wait_for_function("() => charts.cards.get('loss').chart.shown.size === 3")
    assert [question["runs"] for question in questions] == [[runs[2]]]
    assert list(drawn(page, "loss")["runs"]) == runs[::-1]


def test_a_mistyped_address_still_shows_charts(page: Page, writer: Writer) -> None:
    run = start(writer, 1, loss=curve(30))
    for query in (
        "zoom=null&charts=null",
        'zoom={"step":"x"}&charts={"x":5,"smoothing":"a"}',
        "keys=(&zoom=[",
    ):
        mount(page, [run], f"/api/docs?{query}")
        if "keys" in query:
            expect(page.get_by_text("No metric matches.")).to_be_visible()
        else:
            assert drawn(page, "loss")["x"] == [0, 29]


def test_groups_are_drawn_as_their_mean(page: Page, writer: Writer) -> None:
    runs = [start(writer, n, loss=[float(n)] * 30) for n in (1, 3, 10)]
    mount(page, runs)
    drawn(page, "loss")
    groups = [[runs[0], "sgd"], [runs[1], "sgd"], [runs[2], "adam"]]
    page.evaluate("(groups) => charts.setGroups(new Map(groups))", groups)
    page.wait_for_function("() => charts.cards.get('loss').chart.shown.has('sgd')")
    group = """(() => {
      const { low, mean, high } = charts.cards.get('loss').chart.shown.get('sgd');
      return [low[5], mean[5], high[5]];
    })()"""
    assert page.evaluate(group) == [1, 2, 3]
    page.evaluate("state.set({ charts: { band: 'sd' } })")
    page.wait_for_function("() => charts.cards.get('loss').chart.style.band === 'sd'")
    page.wait_for_function("() => charts.cards.get('loss').chart.shown.get('sgd').low[5] > 0")
    assert page.evaluate(group) == pytest.approx([2 - math.sqrt(2), 2, 2 + math.sqrt(2)])


def test_new_points_appear_while_nothing_else_moves(page: Page, writer: Writer) -> None:
    """Only what changed is asked for; a new metric gets a chart."""
    runs = [start(writer, n, loss=curve(30)) for n in (1, 2)]
    mount(page, runs)
    drawn(page, "loss")
    expect(page.locator("#live")).to_have_text("live")
    page.evaluate("window.kept = charts.cards.get('loss').element")
    page.get_by_role("searchbox").focus()
    with page.expect_response("**/api/curves") as asked:
        writer.write(points(runs[1], "loss", [5.0, 6.0], [30, 31]))
    assert asked.value.request.post_data_json["runs"] == [runs[1]]
    page.wait_for_function(
        "(run) => charts.cards.get('loss').chart.shown.get(run).x.length === 32", arg=runs[1]
    )
    assert drawn(page, "loss")["runs"] == {runs[0]: 30, runs[1]: 32}
    writer.write(points(runs[0], "acc", curve(5)))
    expect(card(page, "acc")).to_be_visible()
    assert page.evaluate("charts.cards.get('loss').element === kept && kept.isConnected")
    assert page.evaluate("document.activeElement.type") == "search"


def test_only_charts_in_view_exist(page: Page, writer: Writer) -> None:
    run = f"{1:032x}"
    writer.write(started(run), *(points(run, f"layer {n}/norm", curve(20)) for n in range(300)))
    mount(page, [run])
    drawn(page, "layer 0/norm")
    assert page.locator(".chart-card").count() == 300
    assert page.locator(".uplot").count() < 30
    card(page, "layer 250/norm").scroll_into_view_if_needed()
    assert drawn(page, "layer 250/norm")["runs"] == {run: 20}
    assert page.locator(".uplot").count() < 30
    assert page.evaluate("charts.cards.get('layer 0/norm').inView") is False


def test_a_chart_alone_with_its_data_and_its_picture(page: Page, writer: Writer, tmp_path: Path) -> None:
    runs = [start(writer, n, loss=[1.0, 2.0, math.nan]) for n in (1, 2)]
    mount(page, runs, names=["=1+1", "b"])
    drawn(page, "loss")
    card(page, "loss").hover()
    page.get_by_role("button", name="Enlarge loss").click()
    dialog = page.get_by_role("dialog", name="loss")
    expect(dialog.locator(".chart-legend > div")).to_have_text(["=1+12", "b2"])
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "loss.csv")
    lines = (tmp_path / "loss.csv").read_text().splitlines()
    assert lines[0] == "run,name,x,mean,min,max"
    assert lines[1:4] == [f"{runs[0]},'=1+1,{rest}" for rest in ("0,1,1,1", "1,2,2,2", "2,NaN,NaN,NaN")]
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="PNG").click()
    saved.value.save_as(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_names_are_only_texts_and_nothing_is_hard_to_reach(page: Page, writer: Writer) -> None:
    """What attackers call runs and metrics does nothing; axe finds nothing, light and dark."""
    run = f"{1:032x}"
    writer.write(started(run), points(run, EVIL, curve(20)), points(run, f"{EVIL}/a", [1.0]))
    mount(page, [run], names=[EVIL])
    page.wait_for_function("() => document.querySelectorAll('.chart-bar, .uplot').length === 2")
    page.locator(".uplot .u-over").hover()
    expect(page.locator(".chart-tip")).to_contain_text(EVIL)
    page.locator(".chart-card").first.hover()
    page.get_by_role("button", name="More about").first.click()
    page.emulate_media(reduced_motion="reduce")  # axe would see colours on their way from one to the other
    for theme in ("light", "dark"):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        assert faults(page) == []


def test_a_thousand_runs_stay_smooth(page: Page, writer: Writer, watched: Watched) -> None:
    runs = [start(writer, n, loss=curve(200, n)) for n in range(1, 1_001)]
    mount(page, runs)
    assert len(drawn(page, "loss")["runs"]) == 1_000
    spent = page.evaluate("""async () => {
      const began = performance.now();
      charts.cards.get("loss").chart.refresh();
      await null;
      return performance.now() - began;
    }""")
    assert spent < 1_000
    assert not watched.wrong
