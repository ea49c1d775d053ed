"""Models, their versions, and what was done to them, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chachaml.display.words import Paint, code_text, count, cut, moment, pairs, plain, safe, size

if TYPE_CHECKING:
    from chachaml.registered import Lineage, Model, ModelVersion, Move

__all__ = ["lineage_text", "model_text", "move_text", "version_text"]


def model_text(model: Model, *, paint: Paint = plain) -> str:
    """Return a model in a few lines."""
    production = f"version {model.production} in production" if model.production else "none in production"
    facts = [count(model.versions, "version"), production]
    facts += [f"{safe(alias)} = {version}" for alias, version in model.aliases.items()]
    lines = [f"{paint(safe(model.name), 'strong')}  {', '.join(facts)}"]
    lines += [f"  {cut(safe(model.description), 100)}"] if model.description else []
    lines += [f"  {pairs(model.tags.items())}"] if model.tags else []
    lines += [f"  {line}" for line in map(safe, model.note.splitlines()[:8])]
    lines.append(paint(f"  made {moment(model.created)} by {safe(model.created_by)}", "dim"))
    return "\n".join(lines)


def version_text(version: ModelVersion) -> str:
    """Return a version in a line."""
    stage = "" if version.stage == "none" else f", {version.stage}"
    aliases = "".join(f", @{safe(alias)}" for alias in version.aliases)
    kept = f"{safe(version.artifact)} of run {version.run[-8:]}, {version.format}, {size(version.size)}"
    about = f"  {cut(safe(version.description), 60)}" if version.description else ""
    return f"<{safe(version.model)} version {version.version}{stage}{aliases}: {kept}>{about}"


def move_text(move: Move) -> str:
    """Return what was done to a model in a line."""
    who = f"{moment(move.time)}  {safe(move.by)}"
    which = safe(move.model) if move.version is None else f"{safe(move.model)} version {move.version}"
    why = f"  ({safe(move.comment)})" if move.comment else ""
    return f"{who}: {which}: {_what(move)}{why}"


def _what(move: Move) -> str:
    if move.what == "deleted":
        return "deleted"
    if move.what == "registered":
        return "registered" if move.after == "none" else f"registered in {move.after}"
    name = f"{move.what} {safe(move.key)}".rstrip()
    return f"{name}: {_side(move.before)} -> {_side(move.after)}"


def _side(text: str | None) -> str:
    return cut(safe(text), 60) if text else "nothing"


def lineage_text(lineage: Lineage, *, paint: Paint = plain) -> str:
    """Return where a version comes from, a line for each thing."""
    lines = [paint(version_text(lineage.version), "strong")]
    lines += [f"  {paint(name.ljust(9), 'dim')} {text}" for name, text in _origins(lineage)]
    return "\n".join(lines)


def _origins(lineage: Lineage) -> Iterator[tuple[str, str]]:
    if lineage.run is None:
        yield "run", f"{lineage.version.run[-8:]}, which was deleted"
        return
    for what, run in (("run", lineage.run), ("parent", lineage.parent), ("pipeline", lineage.pipeline)):
        if run is not None:
            yield what, f"{safe(run.name)} ({run.short_id}) of {safe(run.experiment)}, {run.status}"
    code = code_text(lineage.run.environment)
    if code:
        yield "code", safe(code)
    for data in lineage.datasets:
        yield "data", f"{safe(data.role)}: {safe(data.name)} {data.digest[:12]}"
    for other in lineage.siblings:
        yield "also", f"{safe(other.model)} version {other.version}"
