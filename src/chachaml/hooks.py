"""What users want done when a run has ended."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from chachaml.connection import Connection
from chachaml.core.errors import ChachamlError, ChachamlWarning

if TYPE_CHECKING:
    from chachaml.results import Run

__all__ = ["on_run_end", "tell"]

_wanted: list[Callable[[Run], object]] = []


def on_run_end(call: Callable[[Run], object]) -> Callable[[], None]:
    """Have `call` called with each run that ends in this process, as it then is in the store.

    It is called in the thread that ended the run, after the end is stored. An exception in it is a
    warning and disturbs nothing.

    Returns:
        A function that undoes this.
    """
    _wanted.append(call)

    def remove() -> None:
        if call in _wanted:
            _wanted.remove(call)

    return remove


def tell(where: Connection, run: str) -> None:
    """Tell those who want to know that a run has ended."""
    if not _wanted:
        return
    from chachaml.results import Run

    try:
        ended = Run.from_row(where.ready().get_run(run))
    except ChachamlError as error:
        where.tell("hooks", f"what waits for the ends of runs was not called: {error.message}")
        return
    for call in tuple(_wanted):
        try:
            call(ended)
        except Exception as error:
            what = getattr(call, "__qualname__", repr(call))
            message = f"chachaml: {what}, called at the end of run {ended.name!r}, raised {error!r}"
            warnings.warn(message, ChachamlWarning, stacklevel=3)
