"""Runs side by side: what they share, and in what they differ."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml.connection import connection
from chachaml.core.errors import NotFound
from chachaml.core.ids import is_id
from chachaml.core.model import RunQuery
from chachaml.core.query import Field, In
from chachaml.core.values import canonical, json_ready, same_value
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import Run
from chachaml.shown import Shown
from chachaml.store.protocol import Store
from chachaml.table import Table

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = [
    "Comparison",
    "Section",
    "code_of",
    "compare",
    "compare_runs",
    "packages_of",
    "print_comparison",
    "same",
    "section",
]


class Section(msgspec.Struct, frozen=True):
    """One kind of thing in several runs, by key.

    ``same``: all runs have this value. ``differ``: all have one, and not the same; a list in the order
    of the runs. ``partial``: some have none, which is None in the list.
    """

    same: dict[str, Any] = {}
    differ: dict[str, list[Any]] = {}
    partial: dict[str, list[Any]] = {}


class Comparison(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Several runs side by side; metrics by their last values.

    1 equals 1.0 and NaN equals NaN, but true does not equal 1.
    """

    runs: tuple[Run, ...]
    params: Section
    metrics: Section
    tags: Section
    git: Section
    packages: Section

    def sections(self) -> dict[str, Section]:
        """Return the sections by name."""
        return {name: getattr(self, name) for name in ("params", "metrics", "tags", "git", "packages")}

    def to_table(self) -> Table:
        """Return a row for each key: its section, how it compares, and the value of each run."""
        names = [run.name for run in self.runs]
        titles = [
            run.name if names.count(run.name) == 1 else f"{run.name} {run.short_id}" for run in self.runs
        ]
        rows = [
            (section, key, how, *values)
            for section, found in self.sections().items()
            for key, how, values in _entries(found, len(self.runs))
        ]
        columns = ["section", "key", "compares", *titles]
        return Table({name: [row[place] for row in rows] for place, name in enumerate(columns)})

    def df(self) -> Any:
        """Return `to_table` as a pandas DataFrame."""
        return self.to_table().df()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the runs by their ids."""
        sections = {name: msgspec.to_builtins(section) for name, section in self.sections().items()}
        return {"runs": [run.id for run in self.runs], **sections}

    def to_json(self) -> str:
        """Return `to_dict` as strict JSON."""
        return msgspec.json.encode(json_ready(self.to_dict())).decode()

    def _text(self, paint: Paint) -> str:
        from chachaml.display import comparison_text

        return comparison_text(self, paint=paint)

    def _repr_html_(self) -> str:
        from chachaml.display import comparison_html

        return comparison_html(self)


def compare(*runs: AnyRun | Iterable[AnyRun]) -> Comparison:
    """Return runs side by side: ``compare(a, b)`` or ``compare(chachaml.runs(...))``.

    Raises:
        NotFound: No such run.
    """
    several: list[AnyRun] = []
    for one in runs:
        if isinstance(one, str) or not isinstance(one, Iterable):
            several.append(one)
        else:
            several.extend(one)
    return compare_runs(several)


def compare_runs(runs: Sequence[AnyRun]) -> Comparison:
    """Return runs side by side, in the order given; one that is given twice is there once.

    Args:
        runs: Ids, the beginnings of them, or run objects.

    Raises:
        NotFound: No such run.
    """
    store = connection().ready()
    found = _found(store, [id_of(run) for run in runs])
    return Comparison(
        runs=tuple(found),
        params=section([run.params for run in found], same),
        metrics=section([run.metrics for run in found], same),
        tags=section([run.tags for run in found], operator.eq),
        git=section([code_of(run) for run in found], operator.eq),
        packages=section(packages_of(store, found), operator.eq),
    )


def code_of(run: Run) -> dict[str, Any]:
    """Return what is known of the code that a run was made with: sha, branch and so on."""
    return {key[4:]: fact for key, fact in run.environment.items() if key.startswith("git.")}


def packages_of(store: Store, runs: Sequence[Run]) -> list[dict[str, str]]:
    """Return the versions of packages of each run, by name."""
    digests = [run.environment.get("packages", "") for run in runs]
    known = {digest: store.packages(digest) for digest in set(digests)}
    return [known[digest] for digest in digests]


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison as its `repr` shows it."""
    from chachaml.display import carried

    print(carried(repr(comparison)))


def _found(store: Store, ids: Sequence[str]) -> list[Run]:
    """Return the runs of these ids, read together."""
    whole = list(dict.fromkeys(run if is_id(run) else resolve(store, run).id for run in ids))
    if not whole:
        return []
    among = In(Field("attribute", "id"), tuple(whole))
    query = RunQuery(filter=among, archived=None, limit=len(whole), with_values=True)
    rows = {row.id: row for row in store.find_runs(query).runs}
    for run in whole:
        if run not in rows:
            raise NotFound(f"there is no run {run!r} in this store", "chachaml.runs() lists the newest runs")
    return [Run.from_row(rows[run]) for run in whole]


def section(runs: Sequence[Mapping[str, Any]], same: Callable[[Any, Any], bool]) -> Section:
    """Return what several runs share of one kind of thing, and in what they differ."""
    found = Section({}, {}, {})
    for key in sorted({key for run in runs for key in run}):
        values = [run.get(key) for run in runs]
        if not all(key in run for run in runs):
            found.partial[key] = values
        elif all(same(values[0], value) for value in values[1:]):
            found.same[key] = values[0]
        else:
            found.differ[key] = values
    return found


def same(one: Any, other: Any) -> bool:
    """Tell whether two values of params or metrics are equal: 1 and 1.0 are, 1 and true are not."""
    return one is other or same_value(canonical("value", one), canonical("value", other))


def _entries(section: Section, runs: int) -> Iterable[tuple[str, str, list[Any]]]:
    yield from ((key, "differ", values) for key, values in section.differ.items())
    yield from ((key, "partial", values) for key, values in section.partial.items())
    yield from ((key, "same", [value] * runs) for key, value in section.same.items())
