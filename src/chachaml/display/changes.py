"""Corrections, clean-ups and experiments, in a line or a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.words import count, cut, moment, safe, size

if TYPE_CHECKING:
    from chachaml.results import CleanUp, Correction, Experiment

__all__ = ["clean_up_text", "correction_text", "experiment_text"]

MOST_REASONS = 5


def correction_text(correction: Correction) -> str:
    """Return who changed what, in a line."""
    undone = f"  (undone by #{correction.undone})" if correction.undone else ""
    when, by = moment(correction.time), safe(correction.by) or "somebody"
    return f"#{correction.no}  {when}  {by}  run {correction.run[-8:]}: {_what(correction)}{undone}"


def _what(correction: Correction) -> str:
    before, after = (cut(safe(text or ""), 60) for text in (correction.before, correction.after))
    key = safe(correction.key)
    match correction.aspect:
        case "archived":
            return "archived" if correction.after else "restored"
        case "deleted":
            return f"deleted ({before})"
        case "metric" if correction.after is None:
            return f"metric {key} deleted ({count(int(before), 'point')})"
        case "metric":
            return f"metric {key} brought back ({count(int(after), 'point')})"
        case "param" if correction.after is None:
            return f"param {key} deleted (was {before})"
        case "param" if correction.before is None:
            return f"param {key} set to {after}"
        case "param":
            return f"param {key}: {before} -> {after}"
        case "parent" if not correction.after:
            return f"no longer a child of {before[-8:]}"
        case "parent":
            return f"made a child of {after[-8:]}"
        case aspect:
            return f"{aspect}: {before} -> {after}"


def clean_up_text(done: CleanUp) -> str:
    """Return what a clean-up did, and what it left alone and why."""
    verb = f"would be {done.done}" if done.dry_run else done.done
    held = [count(number, noun) for noun, number in _contents(done) if number]
    inside = f" ({', '.join(held)})" if held else ""
    back = f"; {size(done.bytes)} {'would come' if done.dry_run else 'came'} back" if done.bytes else ""
    lines = [f"{count(len(done.runs), 'run')} {verb}{inside}{back}"]
    lines += [f"  {one.run[-8:]} left as it is: {one.why}" for one in done.skipped[:MOST_REASONS]]
    if len(done.skipped) > MOST_REASONS:
        lines.append(f"  ... and {count(len(done.skipped) - MOST_REASONS, 'more run')} left, see .skipped")
    return "\n".join(lines)


def _contents(done: CleanUp) -> list[tuple[str, int]]:
    counted = ("param", done.params), ("metric", done.metrics), ("point", done.points)
    return [*counted, ("artifact", done.artifacts)]


def experiment_text(experiment: Experiment) -> str:
    """Return an experiment in a line."""
    facts = [count(experiment.runs, "run")]
    facts += [f"{experiment.running} running"] if experiment.running else []
    facts += [f"{experiment.archived} archived"] if experiment.archived else []
    facts += [f"last {moment(experiment.last_started)}"] if experiment.last_started else []
    facts += [f"of {safe(experiment.owner)}"] if experiment.owner else []
    about = f"  {cut(safe(experiment.description), 80)}" if experiment.description else ""
    return f"<experiment {safe(experiment.name)}: {', '.join(facts)}>{about}"
