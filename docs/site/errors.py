"""The page of errors: each class, what it is called for machines, and what a shell and HTTP make of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from docs.site.markdown import code, prose, table

from chachaml.core import errors
from chachaml.core.errors import ChachamlError
from chachaml.surfaces.output import exit_code

__all__ = ["page"]

HEAD = """# Errors

Every error that chachaml raises on purpose is a `chachaml.errors.ChachamlError`. It has a `message` that says what
happened and where, a `hint` with what to type next, a `code` for machines and an HTTP `status`. Over HTTP it comes as
`{"error": {"code": ..., "message": ..., "hint": ...}}`; the command line prints message and hint and ends with the
exit code. What to do about those that people meet most is in [troubleshooting](../troubleshooting.md).

Log calls raise for what the code says wrong (a run that has ended, a value that is no number) and never because a store
cannot be reached or written: that is a `ChachamlWarning`, and what was logged waits in the
[journal](../guide/durability.md).

"""


def page() -> str:
    """Return the page."""
    rows = [
        (
            "\N{NO-BREAK SPACE}" * 3 * depth + code(kind.__name__),
            prose(_summary(kind)),
            code(kind.code),
            str(kind.status),
            str(exit_code(kind.__new__(kind))),
        )
        for kind, depth in _tree(ChachamlError, 0)
    ]
    head = ("error", "what it says", "code", "HTTP", "exit")
    warning = prose(_summary(errors.ChachamlWarning))
    return (
        HEAD
        + table(head, rows)
        + f"\n`ChachamlWarning` is no error: {warning}\n\n## For Python\n\n"
        + "".join(
            f"```{{eval-rst}}\n.. autoclass:: chachaml.errors.{name}\n```\n\n" for name in errors.__all__
        )
    )


def _tree(kind: type[ChachamlError], depth: int) -> Iterator[tuple[type[ChachamlError], int]]:
    yield kind, depth
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child, depth + 1)


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0]
