"""Operations on views: pages as somebody saved them."""

from __future__ import annotations

import time

from chachaml.connection import connection
from chachaml.core.changes import ViewDeleted, ViewSaved
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import ViewRow
from chachaml.core.settings import current_user
from chachaml.core.values import as_text
from chachaml.ops.operation import operation

__all__ = ["delete_view", "list_views", "save_view"]


@operation("read")
def list_views() -> list[ViewRow]:
    """List the saved views of the runs page, by experiment, then by name."""
    return connection().ready().views()


@operation("write")
def save_view(name: str, state: str, experiment: str = "") -> list[ViewRow]:
    """Save what the runs page shows under a name; one of the same name and experiment is replaced.

    Args:
        name: Its name.
        state: The query string of the page's address.
        experiment: The experiment that it is for; empty for all.
    """
    if not name.strip():
        raise BadValue("a view has a name")
    about = (as_text("name", name.strip()), as_text("experiment", experiment), as_text("state", state))
    connection().command(ViewSaved(_now(), current_user(), *about))
    return list_views()


@operation("write")
def delete_view(name: str, experiment: str = "") -> list[ViewRow]:
    """Delete a saved view; the runs that it shows are not touched.

    Args:
        name: Its name.
        experiment: The experiment that it is for; empty for all.
    """
    if not any((one.name, one.experiment) == (name, experiment) for one in list_views()):
        raise NotFound(f"there is no view {name!r}", "list_views names them")
    connection().command(ViewDeleted(_now(), current_user(), name, experiment))
    return list_views()


def _now() -> int:
    return time.time_ns() // 1000
