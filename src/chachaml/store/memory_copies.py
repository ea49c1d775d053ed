"""Rows of another store in plain dicts: experiments and corrections, which the memory store keeps itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from chachaml.core.model import ExperimentRow, HistoryRow

__all__ = ["copy_experiments", "copy_history"]


def copy_experiments(here: dict[str, ExperimentRow], given: Iterable[ExperimentRow]) -> None:
    """Keep what was said of experiments elsewhere, as far as nothing is said of them here."""
    for about in given:
        row = here.get(about.name, about)
        said = (row.description or about.description, row.owner or about.owner)
        here[about.name] = ExperimentRow(about.name, *said, min(row.created, about.created))


def copy_history(here: dict[int, HistoryRow], given: Iterable[HistoryRow]) -> Iterator[tuple[str, str]]:
    """Keep corrections made elsewhere; yield the runs, and why some were not kept."""
    for entry in given:
        row = here.setdefault(entry.no, entry)
        if replace(row, undone=None) == replace(entry, undone=None):
            here[entry.no] = replace(row, undone=row.undone or entry.undone)
        else:
            yield entry.run, f"correction {entry.no} is another one here"
