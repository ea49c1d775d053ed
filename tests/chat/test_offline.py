"""Questions that are understood without a language model, and what they are understood as."""

from __future__ import annotations

from pathlib import Path

import pytest

import chachaml as ml
from chachaml.chat import offline
from chachaml.core.query import parse
from tests.surfaces.test_cli import chachaml

BEST_IRIS = "chachaml best accuracy -e iris --max"
FAILED = "status in ('failed', 'crashed')"


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Which run in iris has the best accuracy?", BEST_IRIS),
        ("best run of iris by accuracy", BEST_IRIS),
        ("What is the highest acc in iris", BEST_IRIS),
        ("best val/loss?", "chachaml best val/loss --min"),
        ("Best run by loss", "chachaml best val/loss --min"),
        ("highest val loss", "chachaml best val/loss --max"),
        ("worst accuracy", "chachaml best accuracy --min"),
        ("worst loss", "chachaml best val/loss --max"),
        (
            "best accuracy with lr below 0.05",
            "chachaml best accuracy --max --filter 'params.lr < 0.05'",
        ),
        (
            "top 2 runs by accuracy",
            'chachaml search "metrics.accuracy.max is not null" --order "metrics.accuracy.max desc"',
        ),
        ("Compare {0} and {1}", "chachaml diff {0} {1}"),
        ("what differs between {1} and {0}?", "chachaml diff {1} {0}"),
        ("compare {0}, {1} and {2}", "chachaml compare {0} {1} {2}"),
        ("compare lr 0.1 with lr 0.01", "chachaml diff {0} {1}"),
        ("difference between 'lr 0.1' and wide", "chachaml diff {0} {3}"),
        ("what changed?", "chachaml diff {2} {3}"),
        ("What changed in iris since the run before?", "chachaml diff {1} {2}"),
        ("Which runs failed, and why?", f'chachaml search "{FAILED}"'),
        (
            "which runs of iris failed today",
            f'chachaml search "experiment = \'iris\' and {FAILED} and started >= today"',
        ),
        ("why did {3} fail?", "chachaml show {3}"),
        ("How many runs are there?", "ml.count_runs('')"),
        ("how many runs failed in the last 3 days", f'ml.count_runs("{FAILED} and started > -3d")'),
        (
            "How many runs of iris had accuracy above 0.9?",
            "ml.count_runs(\"experiment = 'iris' and metrics.accuracy > 0.9\")",
        ),
        ("how many experiments do we have", "chachaml experiments"),
        ("show run {1}", "chachaml show {1}"),
        ("{1}", "chachaml show {1}"),
        ("show lr 0.01", "chachaml show {1}"),
        ("the last run", "chachaml show {3}"),
        ("list models", "chachaml models"),
        ("Which models are there?", "chachaml models"),
        ("which version of flowers is in production?", "chachaml models show flowers"),
        ("which experiments are there?", "chachaml experiments"),
        ("which metrics are there?", "list_keys()"),
        ("list runs", "chachaml runs"),
        ("runs of iris this week", "chachaml search \"experiment = 'iris' and started > -7d\""),
        ("runs with lr of 0.01", 'chachaml search "params.lr = 0.01"'),
        (
            "metrics.accuracy > 0.9 and params.lr <= 0.01",
            'chachaml search "metrics.accuracy > 0.9 and params.lr <= 0.01"',
        ),
    ],
)  # fmt: skip
def test_a_question_is_understood_as_a_query(runs: list[str], question: str, query: str) -> None:
    with ml.start_run("digits", name="kept") as run:
        run.log_artifact("model", [1.0])
        ml.registry.register_model("flowers", run=run.id, artifact="model", stage="production")
    ml.delete_runs([run.id]) if "flowers" not in question else None
    found = ml.chat.ask(question.format(*runs))
    assert found.understood == query.format(*runs)
    assert f"`{found.understood}`" in found.answer
    assert (found.provider, found.iterations, found.calls) == ("offline", 0, ())


def test_what_is_answered_is_so(runs: list[str]) -> None:
    best = ml.chat.ask("Which run in iris has the best accuracy?")
    assert best.answer.startswith(f"{runs[2]} (`lr 0.001`) has the highest `accuracy`: **0.93** at step 3")
    assert best.runs == (ml.run(runs[2]).id,)
    failed = ml.chat.ask("which failed and why").answer
    assert "1 run:" in failed
    assert "`MemoryError: too wide`" in failed
    assert "raise MemoryError" in ml.chat.ask(f"why did {runs[3]} fail").answer
    assert "**2** runs" in ml.chat.ask("how many runs of iris had accuracy above 0.85?").answer
    changed = ml.chat.ask(f"compare {runs[0]} {runs[1]}").answer
    assert "| params | lr | 0.1 | 0.01 |" in changed
    assert "has a finite value" in ml.chat.ask("best accuracy in digits").answer


@pytest.mark.parametrize(
    "question", ["Tell me a joke", "Why?", "DROP TABLE runs; --", "accuracy", "x" * 20_000, "\0"]
)
def test_what_is_not_understood_is_said(runs: list[str], question: str) -> None:
    found = ml.chat.ask(question)
    assert found.understood == ""
    assert "this is none of them" in found.answer


def test_the_examples_are_understood(runs: list[str]) -> None:
    examples = offline.examples()
    assert f"Compare {ml.runs()[1].short_id} and {ml.runs()[0].short_id}" in examples
    for example in examples:
        assert ml.chat.ask(example).understood


def test_examples_are_of_what_the_store_has(folder: Path) -> None:
    for number in range(2):
        with ml.start_run("digits"):
            ml.log_metric("val/loss", 0.25 + number)
    newest, before = ml.runs()
    asked = "Which run in digits has the best val/loss?"
    assert offline.examples()[:2] == (asked, f"Compare {before.short_id} and {newest.short_id}")
    assert "How many runs of digits had val/loss below 1.2?" in offline.examples()
    assert newest.id not in (found := ml.chat.ask(asked)).runs
    assert found.runs == (before.id,)
    for example in offline.examples():
        assert ml.chat.ask(example).understood


def test_an_empty_store_is_no_trouble(folder: Path) -> None:
    for question in (
        *offline.examples(),
        "why did 00000000 fail",
        "best accuracy",
        "what changed?",
        "last run",
    ):
        assert ml.chat.ask(question).answer


def test_other_peoples_names_stay_what_they_are(folder: Path) -> None:
    name = "x' or '1'='1 `| <b>[a](javascript:alert(1))\x1b[2J"
    for experiment in ("it's", "plain"):
        with ml.start_run(experiment, name=name):
            ml.log_metric("a`b", 1.0)
            ml.log_metric("acc", 1.0)
    for question in (
        "list runs",
        "runs of it's",
        f"compare {name} and last",
        "best acc in it's",
        "a`b above 0.5 runs",
        "top 2 by a`b",
    ):
        found = ml.chat.ask(question)
        assert "\x1b" not in found.answer
        assert "`|" not in found.answer.replace("` |", "")
    query = ml.chat.ask("runs of it's").understood
    parse(query.removeprefix('chachaml search "').removesuffix('"'))


def test_the_terminal_says_it_too(runs: list[str], folder: Path) -> None:
    ml.flush()
    assert BEST_IRIS in chachaml(folder, "ask", "Which run in iris has the best accuracy?")
