"""A store in which each text is an attack: every page shows all of it, and none of it does anything."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.conftest import Watched
from tests.browser.hostile import CORPUS
from tests.served import Served

TEXTS = [text[:200] for text in CORPUS]
MADE = "#main :is(script:not([src], [type]), object, embed, base, meta, [onerror], [onload], [ontoggle])"
LINKS = """() => [...document.querySelectorAll('a')]
    .filter((a) => /^(javascript|data|vbscript):/i.test(a.href)).length"""
KINDS = ("html", "svg", "md", "csv", "tsv", "json", "yaml", "txt", "log", "py", "ipynb", "xml", "css", "js")


@pytest.fixture
def hostile(server: Served) -> str:
    """Make a run for each text, and what else has texts; return the id of a run with all of them."""
    ml.connect(server.where.path)
    for at, text in enumerate(TEXTS):
        tags = {text: text} if at % 4 == 0 else {}
        with ml.start_run(TEXTS[at % 7] if at % 50 else text, name=text, tags=tags) as run:
            ml.log_params({text: text, "all": text})
            run.log_metrics({text: at, "loss": 1 / (at + 1)}, 0)
            run.log_metrics({text: at + 1, "loss": 1 / (at + 2)}, 1)
            if at % 20 == 0:
                ml.log_dataset([[at]], name=text, role=text[:50], source=text)
                ml.log_artifact("model", {text: text})
                ml.registry.register_model(text.replace("/", "|")[:100] or "x", description=text, run=run.id)
                ml.create_experiment(text, text, text)
                ml.alerts.set_alert(text, experiment=text, metric=text, op=">", threshold=0)
    try:
        with ml.start_run("all of it", name="all of it") as run:
            for kind in KINDS:
                ml.log_text(f"evil.{kind}", "\n\n".join(CORPUS))
            ml.log_table("table", [{"<b>x</b>": text, "n": at} for at, text in enumerate(CORPUS)])
            print(*CORPUS, sep="\n")
            raise ValueError("\n".join(CORPUS))
    except ValueError:
        pass
    ml.set_note(run.id, "\n\n".join(CORPUS))
    ml.alerts.check_alerts()
    ml.pipeline.run(TEXTS[3], [(text, lambda: 1) for text in TEXTS[:3]])
    ml.flush()
    return run.id


def test_there_are_three_hundred_texts() -> None:
    assert len(CORPUS) >= 300


def test_no_page_does_what_is_written_in_it(hostile: str, page: Page, watched: Watched) -> None:
    watched.expect("Blocked script execution")  # previews stand in frames that may run nothing
    watched.expect("Content Security Policy")
    watched.expect("Blocked autofocusing")
    last = ml.runs(limit=9)
    several = ",".join(run.id for run in last[5:])
    model = ml.registry.models()[0].name
    pipeline = ml.pipeline.list(1)[0].id
    shown = {
        "/runs": ".row:not(.waiting)",
        "/runs?layout=charts": ".chart-card canvas",
        f"/compare?ids={several}": ".sheet tbody td",
        "/experiments": "tbody .name",
        "/models": "tbody .name",
        f"/models/{model}": "h1",
        "/pipelines": "tbody .name",
        f"/pipelines/{pipeline}": ".graph a",
        "/alerts": ".rule",
        "/search?q=script": ".hits li",
        "/settings": "#store",
        f"/runs/{hostile}": "#note .problem",
        f"/runs/{hostile}/console": ".tabs",
        f"/runs/{hostile}/artifacts": "#tree a",
        f"/runs/{last[-1].id}/charts": ".chart-card canvas",
        f"/runs/{last[-1].id}/lineage": ".tabs",
    }
    for address, part in shown.items():
        page.goto(address)
        expect(page.locator(part).first).to_be_visible()
        assert not page.locator(MADE).count(), address
        assert page.evaluate(LINKS) == 0, address
    page.goto(f"/runs/{hostile}/artifacts")
    for link in page.locator("#tree a").all():
        link.click()
        expect(page.locator("#preview .content > *").first).to_be_attached()


def test_names_are_completed_as_they_are(hostile: str, page: Page, watched: Watched) -> None:
    assert hostile
    watched.expect("400")  # what is typed is no filter yet
    page.goto("/runs")
    page.locator(".row:not(.waiting)").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("evil")
    hint = page.get_by_role("listbox").get_by_role("option").filter(has_text="<base")
    expect(hint).to_contain_text("metrics.`<base href=https://evil.example>`metric, 1 run")
    hint.click()
    page.keyboard.type(" >= 0")
    expect(page.locator("#total")).to_have_text("1 run")
