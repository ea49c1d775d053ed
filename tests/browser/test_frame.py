"""What all pages share: the palette, the theme, keys, the line to the server, and pages of what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Watched
from tests.served import Served


def test_the_line_to_the_server_is_told(page: Page) -> None:
    page.goto("/runs")
    expect(page.locator("#live")).to_have_text("live")


def test_the_palette_goes_to_pages_and_runs(page: Page, server: Served) -> None:
    run = httpx.post(f"{server.url}/api/w/runs", json={"name": "night shift", "experiment": "iris"}).json()[
        "id"
    ]
    page.goto("/runs")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to or do").fill("night")
    page.get_by_role("option", name="night shift").click()
    page.wait_for_url(f"**/runs/{run}")


def test_the_theme_is_kept(page: Page) -> None:
    page.goto("/api/docs")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.click("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_a_question_mark_lists_the_keys(page: Page) -> None:
    page.goto("/api/docs")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Ctrl K")


def test_an_address_that_is_not_there_suggests_another(page: Page, watched: Watched) -> None:
    watched.expect("404")
    page.goto("/modles")
    expect(page.get_by_role("link", name="/models")).to_be_visible()


def test_links_that_mlflow_prints_lead_to_their_pages(page: Page, server: Served, watched: Watched) -> None:
    """Of a run, an experiment, a model and a version, and to what says so where there is none."""
    watched.expect("404")
    mlflow = f"{server.url}/api/2.0/mlflow"
    made = httpx.post(f"{mlflow}/experiments/create", json={"name": "iris & co"}).json()["experiment_id"]
    begun = {"experiment_id": made, "run_name": "night shift"}
    run = httpx.post(f"{mlflow}/runs/create", json=begun).json()["run"]["info"]["run_id"]
    kept = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{made}/{run}/artifacts/net.bin"
    httpx.put(kept, content=b"weights")
    version = {"name": "a net", "source": f"runs:/{run}/net.bin", "run_id": run}
    httpx.post(f"{mlflow}/registered-models/create", json={"name": "a net"})
    assert httpx.post(f"{mlflow}/model-versions/create", json=version).status_code == 200
    for printed, place, shown in (
        (f"experiments/{made}/runs/{run}", f"/runs/{run}", "night shift"),
        (f"experiments/{made}/runs/{run}/artifacts?a=b", f"/runs/{run}", "night shift"),
        (f"experiments/{made}", "/runs?experiment=iris+%26+co", "night shift"),
        ("models/a%20net", "/models/a%20net", "a net"),
        ("models/a%20net/versions/1", "/models/a%20net/versions/1", "a net"),
        (f"experiments/{made}/runs/{'0' * 32}", f"/runs/{'0' * 32}", "Did you mean"),
        ("experiments/77", "/experiments/77", "No Experiment with id=77 exists"),
        ("models/none", "/models/none", "none"),
        ("elsewhere", "/runs#/elsewhere", "night shift"),
    ):
        page.goto("about:blank")
        page.goto(f"/#/{printed}")
        page.wait_for_url(server.url + place)
        expect(page.locator("body")).to_contain_text(shown)


def test_who_is_not_signed_in_is_asked(
    open_context: Callable[..., BrowserContext], server: Served, watched: Watched
) -> None:
    watched.expect("401")
    watched.expect("404")
    server.service.options = server.service.options._replace(require_token=True)
    page = open_context(signed_in=False).new_page()
    page.goto("/#/experiments/77")
    page.wait_for_url("**/login#/experiments/77")
    page.fill("#token", "chm_wrong")
    page.click("text=Sign in")
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("#token", server.service.options.session)
    page.click("text=Sign in")
    page.wait_for_url("**/experiments/77")  # where the link led, as MLflow prints it


def test_all_works_behind_a_prefix(page: Page, server: Served) -> None:
    server.service.options = server.service.options._replace(prefix="/tracker")
    page.goto("/tracker/api/docs")
    page.get_by_text("/api/w/metrics").wait_for()
    page.locator(".rail a").first.click()
    page.wait_for_url("**/tracker/runs")
    expect(page.locator("#live")).to_have_text("live")
