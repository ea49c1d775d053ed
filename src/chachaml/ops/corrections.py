"""Operations that say more of a run, or put right what was recorded: tags, note, name, params, metrics."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

import chachaml as ml
from chachaml.ops.operation import operation
from chachaml.results import Correction, Run

__all__ = [
    "add_tag",
    "delete_metric",
    "delete_param",
    "get_history",
    "get_tags",
    "remove_tag",
    "rename_run",
    "set_note",
    "set_param",
    "undo",
]


@operation("write")
def add_tag(run_id: str, key: str, value: str) -> dict[str, str]:
    """Set a tag of a run; give all tags that it then has.

    Args:
        run_id: The run.
        key: The tag.
        value: Its value.
    """
    ml.add_tag(run_id, key, value)
    return ml.get_tags(run_id)


@operation("write")
def remove_tag(run_id: str, key: str) -> dict[str, str]:
    """Remove a tag of a run; give all tags that it then has.

    Args:
        run_id: The run.
        key: The tag; one that is not there is fine.
    """
    ml.remove_tag(run_id, key)
    return ml.get_tags(run_id)


@operation("read")
def get_tags(run_id: str) -> dict[str, str]:
    """Give the tags of a run.

    Args:
        run_id: The run.
    """
    return ml.get_tags(run_id)


@operation("write")
def set_note(run_id: str, note: str) -> dict[str, str]:
    """Set the note of a run; give it back.

    Args:
        run_id: The run.
        note: The text, in Markdown.
    """
    ml.set_note(run_id, note)
    return {"note": ml.run(run_id).note}


@operation("write")
def rename_run(run_id: str, name: str) -> Run:
    """Give a run another name.

    Args:
        run_id: The run.
        name: Its new name.
    """
    return ml.rename(run_id, name)


@operation("write")
def set_param(run_id: str, key: str, value: Any, force: bool = False) -> Run:
    """Set a param of a run, an ended one too.

    Args:
        run_id: The run.
        key: The param.
        value: Its value.
        force: Replace another value.
    """
    return ml.set_param(run_id, key, value, force=force)


@operation("write")
def delete_param(run_id: str, key: str) -> Run:
    """Take a param away from a run; undo brings it back.

    Args:
        run_id: The run.
        key: The param.
    """
    return ml.delete_param(run_id, key)


@operation("write")
def delete_metric(run_id: str, key: str) -> Run:
    """Take a metric and all its points away from a run; undo brings them back.

    Args:
        run_id: The run.
        key: The metric.
    """
    return ml.delete_metric(run_id, key)


@operation("read")
def get_history(run_id: str | None = None, limit: Annotated[int, Meta(ge=1)] = 50) -> tuple[Correction, ...]:
    """List who corrected what, newest first, of one run or of all.

    Args:
        run_id: Of this run, also of a deleted one by its whole id.
        limit: At most so many.
    """
    return ml.history(run_id, limit=limit)


@operation("write")
def undo(number: int | None = None) -> tuple[Correction, ...]:
    """Take back a correction, or all that your last command corrected.

    Args:
        number: The correction's number in the history.
    """
    return ml.undo(number)
