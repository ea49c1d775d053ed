"""Reading what was captured of a run: what it printed, and the packages that it had."""

from __future__ import annotations

from chachaml.capture.console import lines_of
from chachaml.connection import connection
from chachaml.lookup import AnyRun, id_of, resolve

__all__ = ["console", "packages"]


def console(run: AnyRun) -> str:
    """Return what a run printed, on both streams, as a terminal would show it; '' if nothing was kept.

    Raises:
        NotFound: No such run.
    """
    store = connection().ready(at_once=True)
    chunks = store.console(resolve(store, id_of(run)).id)
    lines = lines_of([(chunk.stream, chunk.line, chunk.text) for chunk in chunks])
    return "".join(f"{line}\n" for _, line in lines)


def packages(run: AnyRun) -> dict[str, str]:
    """Return the versions of the packages that were installed when a run started; {} if unknown.

    Raises:
        NotFound: No such run.
    """
    store = connection().ready()
    digest = resolve(store, id_of(run)).environment.get("packages")
    return store.packages(digest) if digest else {}
