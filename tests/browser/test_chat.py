"""The chat page: answers as they are written, what was looked up, a yes or no, and text that stays text."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

import chachaml as ml
from tests.browser.looks import EVIL, faults, fits
from tests.chat.stub import Fail, Say, Stub, stubbed
from tests.served import Served

BEST = ("best_run", {"metric": "accuracy", "experiment": "iris"})
ASKED = "Which run in iris has the best accuracy?"


@pytest.fixture
def run(server: Served) -> ml.Run:
    ml.connect(server.where.path)
    with ml.start_run("iris", name="one") as run:
        for step in range(3):
            ml.log_metric("accuracy", 0.9 + step / 100, step)
    ml.flush()
    return ml.run(run.id)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with stubbed() as stub:
        monkeypatch.setenv("CHACHAML_CHAT_URL", f"{stub.url}/v1")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{stub.url}/v1")
        yield stub


def ask(page: Page, question: str = ASKED) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


def test_without_a_language_model_questions_are_answered_and_it_says_so(page: Page, run: ml.Run) -> None:
    page.goto("/chat")
    expect(page.get_by_text("Nothing leaves this server")).to_be_visible()
    page.get_by_role("button", name=ASKED).click()
    page.get_by_label("Question").press("Enter")
    answer = page.get_by_role("article", name="Answer")
    expect(answer).to_contain_text("has the highest accuracy: 0.92 at step 2")
    expect(answer).to_contain_text("chachaml best accuracy -e iris --max")
    expect(answer.locator("footer")).to_contain_text("without a language model")
    expect(answer.get_by_role("link", name=run.short_id)).to_have_attribute("href", f"/runs/{run.id}")
    assert not faults(page)
    assert fits(page)


def test_an_answer_is_written_with_what_was_looked_up(page: Page, run: ml.Run, stub: Stub) -> None:
    stub.says(
        Say("Let me look. ", [BEST]), Say(f"It is **{run.short_id}**:\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    )
    page.goto("/chat")
    expect(page.get_by_text("go to an OpenAI-compatible server")).to_be_visible()
    ask(page)
    answer = page.get_by_role("article", name="Answer")
    expect(answer.locator("strong")).to_have_text(run.short_id)
    expect(answer.get_by_role("cell", name="2")).to_be_visible()
    expect(answer.locator("footer")).to_contain_text("tiny, 220 tokens")
    answer.locator("summary", has_text="best_run").click()
    expect(answer.get_by_label("What best_run answered")).to_contain_text("0.92")
    expect(answer.locator(".runs").get_by_role("link", name=run.short_id)).to_be_visible()
    assert not faults(page)
    page.reload()
    expect(page.get_by_role("article", name="Answer").locator("strong")).to_have_text(run.short_id)
    stub.says(Say("Because."))
    ask(page, "Why?")
    expect(page.get_by_text("Because.")).to_be_visible()
    said = [one["content"] for one in stub.seen[-1].body["messages"][1:]]
    assert (said[0], said[-1]) == (ASKED, "Why?")
    page.get_by_role("button", name="New").click()
    expect(page.get_by_role("article")).to_have_count(0)
    assert fits(page)


def test_curves_that_were_looked_up_are_drawn(page: Page, run: ml.Run, stub: Stub) -> None:
    series = ("get_series", {"run_ids": [run.short_id], "metric": "accuracy"})
    stub.says(
        Say("Look: ", [series, ("get_series", {"run_ids": [run.id], "metric": "none"})]),
        Say("It rises. " * 20),
    )
    page.goto("/chat")
    ask(page)
    expect(page.locator(".said footer")).to_contain_text("tiny")
    drawn = page.get_by_role("img", name="accuracy of 1 runs")
    expect(drawn).to_have_count(1)
    expect(drawn.locator("canvas").first).to_be_visible()
    key = page.locator(".curves .keys").get_by_role("link", name=run.short_id)
    expect(key).to_have_attribute("href", f"/runs/{run.id}")
    assert not faults(page)
    page.reload()
    expect(page.get_by_role("img", name="accuracy of 1 runs")).to_be_visible()
    assert fits(page)


def test_a_change_waits_for_a_yes(page: Page, run: ml.Run, stub: Stub) -> None:
    tag = ("add_tag", {"run_id": run.id, "key": "reviewed", "value": "yes"})
    note = ("set_note", {"run_id": run.id, "note": "no"})
    stub.says(Say("Two things. ", [tag, note]), Say("One of them is done."))
    page.goto("/chat")
    page.get_by_role("button", name="Whom to ask").click()
    page.get_by_label("Let the model propose changes").check()
    ask(page, "Tag and note it.")
    change = page.get_by_role("region", name="A change that waits for you")
    expect(change).to_contain_text("add_tag")
    expect(change.get_by_label("What exactly")).to_contain_text('"value": "yes"')
    assert not faults(page)
    change.get_by_role("button", name="Do it").click()
    expect(change).to_contain_text("set_note")
    change.get_by_role("button", name="Do not").click()
    expect(page.get_by_text("One of them is done.")).to_be_visible()
    assert ml.get_tags(run.id) == {"reviewed": "yes"}


def test_stopping_ends_the_work_and_keeps_what_was_said(page: Page, run: ml.Run, stub: Stub) -> None:
    stub.says(Say("word " * 4000, pause=0.01))
    page.goto("/chat")
    ask(page)
    expect(page.get_by_role("article", name="Answer")).to_contain_text("word word")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    until = time.monotonic() + 10
    while not stub.seen[0].hung_up:
        assert time.monotonic() < until, "the provider was not left"
        time.sleep(0.02)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()


def test_trouble_is_told(page: Page, run: ml.Run, stub: Stub) -> None:
    stub.says(Fail(400, "invalid_request_error", "that will not do"))
    page.goto("/chat")
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("that will not do")


def test_a_key_stays_with_the_tab_unless_told_otherwise(page: Page, run: ml.Run, stub: Stub) -> None:
    page.goto("/chat")
    page.get_by_role("button", name="Whom to ask").click()
    page.get_by_label("Provider").select_option("openai")
    expect(page.get_by_role("textbox", name="Model")).to_have_attribute("placeholder", "gpt-6.2-sol")
    expect(page.get_by_text("passes through this server to the provider")).to_be_visible()
    page.get_by_label("Key", exact=True).fill("sk-of-the-page")
    page.get_by_label("Key", exact=True).blur()
    stub.says(Say("Yes."))
    ask(page)
    expect(page.get_by_text("Yes.")).to_be_visible()
    assert stub.seen[0].path == "/v1/responses"
    assert stub.seen[0].headers["authorization"] == "Bearer sk-of-the-page"

    def kept() -> tuple[bool, bool]:
        where = (
            "[sessionStorage, localStorage].map((one) => JSON.stringify({...one}).includes('sk-of-the-page'))"
        )
        one, other = page.evaluate(where)
        return one, other

    assert kept() == (True, False)
    page.get_by_label("Keep the key in this browser").check()
    assert kept() == (False, True)
    page.get_by_label("Keep the key in this browser").uncheck()
    assert kept() == (True, False)


def test_what_a_model_writes_is_text(page: Page, run: ml.Run, stub: Stub) -> None:
    ml.rename(run.id, EVIL)
    links = (
        "[a](javascript:__pwn()) ![b](http://evil.example/x.png) [c](data:text/html,x) <http://evil.example>"
    )
    table = f"| {EVIL} |\n|---|\n| x |\n\n```html\n{EVIL}\n```"
    stub.says(Say(EVIL, [("get_run", {"run_id": run.id})]), Say(f"{EVIL}\n\n{links}\n\n{table}"))
    page.goto("/chat")
    ask(page, EVIL)
    answer = page.get_by_role("article", name="Answer")
    expect(answer.locator("footer")).to_contain_text("tiny")
    answer.locator("summary").click()
    expect(answer).to_contain_text("<img src=x")
    talk = page.locator("#talk")
    assert talk.locator("img, script, iframe, style, [onerror]").count() == 0
    assert talk.locator("a").evaluate_all("all => all.filter((a) => !/^https?:/.test(a.href)).length") == 0
    page.reload()
    expect(page.locator("#talk")).to_contain_text("<img src=x")


EVERY_PREFIX = """async (text) => {
    const { markdown } = await import(`/static/${document.documentElement.dataset.build}/lib/markdown.js`);
    const names = new Set();
    for (let end = 0; end <= text.length; end += 1) {
        for (const one of markdown(text.slice(0, end))) {
            for (const each of [one, ...one.querySelectorAll('*')]) names.add(each.localName);
        }
    }
    const links = markdown(text).flatMap((one) => [...one.querySelectorAll('a')].map((a) => a.href));
    return [[...names].sort(), links];
}"""

HARD = """async (texts) => {
    const { markdown } = await import(`/static/${document.documentElement.dataset.build}/lib/markdown.js`);
    const began = performance.now();
    for (const text of texts) markdown(text);
    return performance.now() - began;
}"""

PIECES = f"""# H

- a **b** _c_ `d`
  1. e

> f

{EVIL[:90]}

[l](http://x.y/z) ![i](javascript:x) <b>

|a|b|
|--|--|
|`c\\|d`|e|

```js
x
```
"""


def test_markdown_that_comes_in_pieces_is_never_anything_else(page: Page, run: ml.Run) -> None:
    """Whatever part of an answer has arrived, it makes the elements of Markdown and no others."""
    page.goto("/chat")
    names, links = page.evaluate(EVERY_PREFIX, PIECES)
    expected = "a blockquote code em h2 hr li ol p pre strong table tbody td th thead tr ul"
    assert {"table", "li", "strong", "pre"} <= set(names) <= set(expected.split())
    assert links == ["http://x.y/z"]


def test_no_text_keeps_the_page_busy(page: Page, run: ml.Run) -> None:
    page.goto("/chat")
    hard = ["*" * 20_000, "[(" * 5_000, "`" * 9_999, "> " * 5_000, "_a" * 8_000, "- " * 5_000, "|" * 20_000]
    assert page.evaluate(HARD, hard) < 3_000


def test_who_is_not_signed_in_is_told_how(open_context: object, run: ml.Run) -> None:
    page = open_context(signed_in=False).new_page()  # type: ignore[operator]
    page.goto("/chat")
    expect(page.get_by_text("the link to sign in that it printed")).to_be_visible()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_disabled()
