"""The changes of saved views: part of the vocabulary in `chachaml.core.changes`."""

from __future__ import annotations

import msgspec

__all__ = ["ViewChange", "ViewDeleted", "ViewSaved"]


class ViewChange(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """A change of the saved views of pages."""

    time: int
    by: str
    name: str
    experiment: str


class ViewSaved(ViewChange, frozen=True, tag=True):
    """What a page shows is kept under a name; a view of the same name and experiment is replaced.

    ``experiment`` is '' for all of them; ``state`` is the query string of the page.
    """

    state: str


class ViewDeleted(ViewChange, frozen=True, tag=True):
    """A view is not kept any longer; deleting one that is not there is nothing."""
