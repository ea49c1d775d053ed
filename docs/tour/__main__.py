"""Fills a store, serves it, and takes a picture of every page, light and dark."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from docs.tour.store import fill
from playwright.sync_api import Browser, Page, sync_playwright

import chachaml as ml
from chachaml.connection import Connection
from chachaml.surfaces.http.service import Options
from chachaml.surfaces.http.serving import in_background, listen, origins_of

IMAGES = Path(__file__).parents[1] / "guide" / "images"
SIZE = {"width": 1280, "height": 800}
SESSION = "chm_of-the-tour"


def pages() -> dict[str, str]:
    """Return the address of each picture."""
    best = ml.runs(experiment="resnet-cifar", order_by="metrics.val/accuracy desc", limit=1)[0]
    failed = ml.runs(status="failed")[0]
    others = ",".join(run.id for run in ml.runs(experiment="resnet-cifar", status="completed", limit=4))
    pipeline = ml.pipeline.list()[0]
    return {
        "runs": "/runs?experiment=resnet-cifar",
        "groups": "/runs?by=params.optimizer,params.lr&layout=both",
        "run": f"/runs/{best.id}",
        "run-charts": f"/runs/{best.id}/charts",
        "run-artifacts": f"/runs/{best.id}/artifacts",
        "run-failed": f"/runs/{failed.id}",
        "compare": f"/compare?ids={others}",
        "experiments": "/experiments",
        "models": "/models",
        "model": "/models/cifar-classifier",
        "pipeline": f"/pipelines/{pipeline.id}",
        "alerts": "/alerts",
        "search": "/search?q=params.lr+%3D+0.001",
        "settings": "/settings",
    }


def shoot(browser: Browser, base: str, cookie: str) -> None:
    """Take all pictures."""
    for theme in ("light", "dark"):
        context = browser.new_context(base_url=base, viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]
        context.add_cookies([{"name": cookie, "value": SESSION, "url": base}])
        page = context.new_page()
        for name, address in pages().items():
            page.goto(address)
            settle(page)
            page.screenshot(path=IMAGES / f"{name}-{theme}.png")
        context.close()


def settle(page: Page) -> None:
    """Wait until nothing is asked for any more, and what came is drawn."""
    page.locator("#live[data-state=live]").wait_for()
    page.wait_for_timeout(1500)


def main() -> None:
    """Make the pictures."""
    os.environ["CHACHAML_CAPTURE"] = "off"  # the pictures speak of no machine in particular
    os.environ["CHACHA_USER"] = "ada"
    IMAGES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    fill(folder / "team.db")
    where = Connection(folder / "team.db")
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    options = Options(origins_of("127.0.0.1", port), session=SESSION)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with in_background(where, options, sockets), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        shoot(browser, f"http://127.0.0.1:{port}", options.cookie)
        browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
