"""Answers without a language model: common questions, understood as queries, which the answer names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple

import chachaml as ml
from chachaml.analysis.goals import direction_of
from chachaml.chat.answers import Answer
from chachaml.chat.mentioning import mentioned
from chachaml.chat.providers import OFFLINE
from chachaml.chat.words import Words, known, spelled
from chachaml.core.errors import BadQuery, NotFound
from chachaml.display import duration, number, safe
from chachaml.ops import runs as operations
from chachaml.results import Run

__all__ = ["answer", "examples"]

Row = tuple[Any, ...]

_ROWS = 20
_SHOWN = 12
_EASY = re.compile(r"[\w./-]{1,40}")
"""Names that read well in a question."""


class Understood(NamedTuple):
    """A question as a query: how to type it, and what comes of it, in Markdown."""

    query: str
    answer: str


def examples() -> tuple[str, ...]:
    """Return questions that are understood, about what the store has."""
    newest = ml.runs(limit=2)
    experiment = next((run.experiment for run in newest if _EASY.fullmatch(run.experiment)), "iris")
    found = {key: run.metrics[key] for run in reversed(newest) for key in run.metrics}
    metric = next((key for key in found if _EASY.fullmatch(key) and isfinite(found[key])), "accuracy")
    than = "above" if direction_of(metric) == "max" else "below"
    return (
        f"Which run in {experiment} has the best {metric}?",
        *([f"Compare {newest[1].short_id} and {newest[0].short_id}"] if len(newest) > 1 else ()),
        "What changed since the run before?",
        "Which runs failed this week, and why?",
        f"How many runs of {experiment} had {metric} {than} {found.get(metric, 0.9):.2g}?",
        "Show the last run",
        "Which models are there?",
    )


def answer(question: str) -> Answer:
    """Return the answer to a question that can be understood without a language model.

    A question that cannot is answered by saying so, with examples of those that can.
    """
    words = Words(question, known())
    found = next((found for intent in _INTENTS if (found := intent(words)) is not None), None)
    if found is None:
        return Answer(question=question, answer=_lost(), provider=OFFLINE)
    text = f"{found.answer}\n\nUnderstood without a language model, as: `{found.query}`"
    return Answer(
        question=question, answer=text, provider=OFFLINE, understood=found.query, runs=mentioned(found.answer)
    )


def _lost() -> str:
    return (
        "Without a language model only some questions are understood, and this is none of them. These are:"
        "\n\n"
        + "\n".join(f"- {one}" for one in examples())
        + "\n\nA filter in the search language is understood too: `metrics.acc > 0.9 and started > -7d`. "
        "To ask a language model, set `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` or `CHACHAML_CHAT_URL`."
    )


# what is asked for --------------------------------------------------------------------------------


def _differences(words: Words) -> Understood | None:
    """Answer what two runs differ in, or how several compare."""
    asked = words.has("compare", "comparison", "diff", "differ", "differs", "difference", "differences")
    if not asked and not words.has("what changed", "changes?", "changed", r"vs\.?", "versus"):
        return None
    found = words.runs if len(words.runs) > 1 else _named(words)
    if len(found) > 2:
        return _side_by_side(found)
    if len(found) < 2:
        newest = list(ml.runs(experiment=words.experiment, limit=2))
        found = [*found, *(one for one in newest if one.id not in {run.id for run in found})][:2]
        found.sort(key=lambda run: run.started)
    if len(found) < 2:
        return Understood("chachaml diff", "There are no two runs to compare.")
    one, other = found
    differences = operations.diff_runs(one.id, other.id)
    rows = [
        (item.section, item.key, item.one, item.other) for item in differences if item.section != "packages"
    ]
    packages = sum(item.section == "packages" for item in differences)
    head = f"{_name(one)} and {_name(other)} differ in {_several(len(differences), 'thing')}"
    more = f"\n\nPackages that differ: {packages}." if packages else ""
    table = _table(("", "", one.short_id, other.short_id), rows) if rows else ""
    return Understood(f"chachaml diff {one.short_id} {other.short_id}", f"{head}.{table}{more}")


def _named(words: Words) -> list[Run]:
    """Return the runs that are compared by name: ``compare baseline and wide``."""
    said = re.sub(
        r"^.*?(?:compare|between|changed since|changed from|differences? of|diff)\s+", "", words.text
    )
    said = re.sub(r"\s+(?:differ|in what|how).*$", "", said)
    parts = [part for part in re.split(r"\s+(?:and|with|to|vs\.?|versus|against)\s+", said) if part]
    found = [words.run(part) for part in parts]
    return list({run.id: run for run in found if run is not None}.values())


def _side_by_side(found: Sequence[Run]) -> Understood:
    keys = list(dict.fromkeys(key for run in found for key in run.metrics))[:_SHOWN]
    rows = [(key, *(run.metrics.get(key, "") for run in found)) for key in keys]
    query = "chachaml compare " + " ".join(run.short_id for run in found)
    return Understood(query, f"Their metrics:{_table(('', *(run.short_id for run in found)), rows)}")


def _why(words: Words) -> Understood | None:
    """Answer why a run failed."""
    if not words.has("why") or not words.runs:
        return None
    run = words.runs[0]
    query = f"chachaml show {run.short_id}"
    if run.error is None:
        return Understood(query, f"{_name(run)} is {run.status}; no error is recorded.")
    trace = run.error.traceback[-1500:].replace("```", "'''")
    shown = f"\n\n```\n{trace}\n```" if trace else ""
    return Understood(query, f"{_name(run)} {run.status}: {_code(_error(run))}{shown}")


def _failed(words: Words) -> Understood | None:
    """Answer which runs failed, and with what."""
    if "failed" not in words.statuses and "crashed" not in words.statuses:
        return None
    if words.has("how many", "number of", "count"):
        return None
    found = ml.runs(words.filter, limit=words.count or _ROWS)
    query = f'chachaml search "{words.filter}"'
    if not found:
        return Understood(query, "No such run failed.")
    rows = [(one.short_id, one.name, one.experiment, one.status, _error(one)) for one in found]
    total = ml.count_runs(words.filter)
    head = _several(total, "run") + (f", the newest {len(found)} of them" if total > len(found) else "")
    return Understood(query, f"{head}:{_table(('run', 'name', 'experiment', 'status', 'error'), rows)}")


def _how_many(words: Words) -> Understood | None:
    """Answer how many runs, models or experiments there are."""
    if not words.has("how many", "number of", "count"):
        return None
    if words.has("models?"):
        return Understood("chachaml models", f"**{len(words.known.models)}** models.")
    if words.has("experiments"):
        return Understood("chachaml experiments", f"**{len(words.known.experiments)}** experiments.")
    total = ml.count_runs(words.filter)
    return Understood(f"ml.count_runs({words.filter!r})", f"**{total:,}** {'run' if total == 1 else 'runs'}.")


_EXTREME = "best worst top highest lowest largest smallest biggest maximum minimum max min least most".split()


def _best(words: Words) -> Understood | None:
    """Answer which run is the best in a metric, or which several are."""
    if words.metric is None or not words.has(*_EXTREME, "ranking", "leaderboard"):
        return None
    direction = words.direction(words.metric)
    if (words.count or 1) > 1 or words.has("ranking", "leaderboard"):
        return _ranking(words, words.metric, direction)
    rest = " and ".join(one for one in words.conditions if not one.startswith("experiment = "))
    query = f"chachaml best {words.metric}" + (f" -e {words.experiment}" if words.experiment else "")
    query += f" --{direction}" + (f" --filter {rest!r}" if rest else "")
    try:
        run = operations.best_run(words.metric, rest or None, words.experiment, direction)
    except NotFound as error:
        return Understood(query, f"{error.message[:1].upper()}{error.message[1:]}.")
    params = "".join(f"\n- {_code(key)}: {_value(value)}" for key, value in list(run.params.items())[:_SHOWN])
    which = "highest" if direction == "max" else "lowest"
    head = f"{_name(run)} has the {which} {_code(words.metric)}: **{number(run.metric_value)}**"
    where = f" at step {run.metric_step}" if run.metric_step else ""
    more = f"\n\nIts params:\n{params}" if params else ""
    return Understood(query, f"{head}{where}, in {_code(run.experiment)}.{more}")


def _ranking(words: Words, metric: str, direction: str) -> Understood:
    field = f"metrics.{spelled(metric)}.{direction}"
    order = f"{field} {'desc' if direction == 'max' else 'asc'}"
    wanted = " and ".join([*words.conditions, f"{field} is not null"])
    found = ml.runs(wanted, order_by=order, limit=words.count or 10)
    rows: list[Row] = [
        (run.short_id, run.name, run.experiment, getattr(run.summaries[metric], direction)) for run in found
    ]
    text = _table(("run", "name", "experiment", metric), rows) if rows else "No run has it."
    return Understood(f'chachaml search "{wanted}" --order "{order}"', text.strip())


def _shown(words: Words) -> Understood | None:
    """Answer with one run."""
    run = words.runs[0] if words.runs else None
    if run is None and (found := re.search(r"(?:show|describe|about|inspect)\s+(?:me\s+)?(.+)$", words.text)):
        run = words.run(found[1])
    if run is None and words.has("last run", "latest run", "newest run") and not words.count:
        run = words.run("last")
    if run is None:
        return None
    facts: list[Row] = [
        ("experiment", run.experiment),
        ("status", run.status),
        ("started", f"{run.started:%Y-%m-%d %H:%M} UTC"),
    ]
    if run.duration is not None:
        facts.append(("took", duration(run.duration)))
    if run.error is not None:
        facts.append(("error", _error(run)))
    facts += [(f"params.{key}", value) for key, value in list(run.params.items())[:_SHOWN]]
    facts += [(f"metrics.{key}", value) for key, value in list(run.metrics.items())[:_SHOWN]]
    return Understood(f"chachaml show {run.short_id}", f"{_name(run)}:{_table(('', ''), facts)}")


def _models(words: Words) -> Understood | None:
    """Answer which models there are, or how one stands."""
    if words.model is not None and words.has("models?", "versions?", "production", "staging", "stage"):
        found = ml.registry.versions(words.model)
        rows: list[Row] = [
            (one.version, one.stage, one.run[-8:], ", ".join(one.aliases)) for one in reversed(found)
        ]
        table = _table(("version", "stage", "run", "aliases"), rows)
        return Understood(f"chachaml models show {words.model}", f"{_code(words.model)}:{table}")
    if not words.has("models?", "in production"):
        return None
    models = ml.registry.models()
    if not models:
        return Understood("chachaml models", "There are no registered models.")
    rows = [(one.name, one.versions, one.production or "") for one in models]
    return Understood("chachaml models", _table(("model", "versions", "in production"), rows).strip())


def _lists(words: Words) -> Understood | None:
    """Answer which experiments, metrics or params there are."""
    if words.has("experiments"):
        rows = [(one.name, one.runs, one.description) for one in ml.experiments()]
        text = _table(("experiment", "runs", ""), rows).strip() if rows else "There are no experiments."
        return Understood("chachaml experiments", text)
    for names, what in ((words.known.metrics, "metrics"), (words.known.params, "params(?:eters)?")):
        if words.has(f"(?:which|what|list|show|all)(?: \\w+)? {what}"):
            some = ", ".join(map(_code, names[:100])) or "None yet."
            return Understood("list_keys()", some)
    return None


def _runs(words: Words) -> Understood | None:
    """Answer which runs meet what was said, or a filter in the search language."""
    asked = words.has("runs?", "experiment") or bool(words.conditions)
    if not asked:
        try:
            return _listed(words.question, _ROWS) if re.search(r"[=<>~]", words.question) else None
        except BadQuery:
            return None
    if not words.conditions and not words.has(
        "list", "show", "all", "last", "latest", "newest", "recent", "which"
    ):
        return None
    return _listed(words.filter, words.count or _ROWS)


def _listed(wanted: str, limit: int) -> Understood:
    found = ml.runs(wanted, limit=limit)
    query = f'chachaml search "{wanted}"' if wanted else "chachaml runs"
    if not found:
        return Understood(query, "No run meets that.")
    keys = list(dict.fromkeys(key for run in found for key in run.metrics))[:3]
    rows = [
        (run.short_id, run.name, run.experiment, run.status, *(run.metrics.get(key, "") for key in keys))
        for run in found
    ]
    total = ml.count_runs(wanted)
    head = _several(total, "run") + (f", the newest {len(found)} of them" if total > len(found) else "")
    return Understood(query, f"{head}:{_table(('run', 'name', 'experiment', 'status', *keys), rows)}")


_INTENTS: tuple[Callable[[Words], Understood | None], ...] = (
    _differences,
    _why,
    _failed,
    _how_many,
    _best,
    _models,
    _shown,
    _lists,
    _runs,
)


# Markdown -----------------------------------------------------------------------------------------


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _name(run: Run) -> str:
    return f"{run.short_id} ({_code(run.name)})"


def _error(run: Run) -> str:
    return "" if run.error is None else f"{run.error.type}: {run.error.message}"[:200]


def _code(text: str) -> str:
    """Return somebody's text so that Markdown takes it for nothing else."""
    return "`" + safe(text).replace("`", "'").replace("|", "\\|") + "`"


def _value(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return _code(value if isinstance(value, str) else repr(value))[:200]


def _table(heads: Iterable[str], rows: Iterable[Row]) -> str:
    """Return a table, with what stands before it kept apart."""
    lines = ["| " + " | ".join(_code(one) if one else " " for one in heads) + " |"]
    lines.append(re.sub(r"[^|]+", "---", lines[0].replace("\\|", "")))
    lines += ["| " + " | ".join(_cell(one) for one in row) + " |" for row in rows]
    return "\n\n" + "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return " "
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}|\w+", value):
        return value
    return _value(value)
