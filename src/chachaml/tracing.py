"""In what two versions of a model differ, and where one comes from."""

from __future__ import annotations

from typing import Any

from chachaml.comparison import Section, code_of, packages_of, same, section
from chachaml.connection import connection
from chachaml.core.errors import NotFound
from chachaml.model_lookup import Selector, version
from chachaml.registered import Lineage, ModelVersion, VersionDiff
from chachaml.results import Dataset, Run
from chachaml.store.protocol import Store

__all__ = ["diff_versions", "lineage"]


def diff_versions(name: str, one: int | str, other: int | str) -> VersionDiff:
    """Return two versions of a model side by side, with what their runs were.

    Args:
        name: The model's name.
        one: A version by number, stage or alias.
        other: The version to compare it with.

    Raises:
        NotFound: No such model or version.
    """
    store = connection().ready()
    both = (version(name, one), version(name, other))
    runs = [_run(store, each.run) for each in both]
    there = [run for run in runs if run is not None]
    packages = dict(zip((run.id for run in there), packages_of(store, there), strict=True))
    return VersionDiff(
        model=name,
        versions=(both[0].version, both[1].version),
        params=section([run.params if run else {} for run in runs], same),
        metrics=section([run.metrics if run else {} for run in runs], same),
        tags=_plain(
            [{**(run.tags if run else {}), **each.tags} for run, each in zip(runs, both, strict=True)]
        ),
        git=_plain([code_of(run) if run else {} for run in runs]),
        packages=_plain([packages[run.id] if run else {} for run in runs]),
        data=_plain([_data(run) for run in runs]),
        signature=_plain([_signature(each) for each in both]),
        files=_plain([_files(run, each) for run, each in zip(runs, both, strict=True)]),
    )


def _plain(facts: list[dict[str, Any]]) -> Section:
    return section(facts, lambda one, other: bool(one == other))


def _run(store: Store, run: str) -> Run | None:
    try:
        return Run.from_row(store.get_run(run))
    except NotFound:
        return None


def _tags(run: Run | None, one: ModelVersion) -> dict[str, str]:
    return {**(run.tags if run else {}), **one.tags}


def _data(run: Run | None) -> dict[str, Any]:
    return {f"{one.role}/{one.name}": one.digest for one in run.datasets} if run else {}


def _signature(one: ModelVersion) -> dict[str, Any]:
    facts = {"format": one.format, "size": one.size}
    return {**facts, **{key: fact for key, fact in one.about.items() if key != "requirements"}}


def _files(run: Run | None, one: ModelVersion) -> dict[str, Any]:
    kept = {each.name: each.digest for each in run.artifacts} if run else {}
    return {**kept, one.artifact: one.digest}


def lineage(name: str, selector: Selector = None) -> Lineage:
    """Return where a version comes from: its run, data sets, code, parent run and pipeline.

    Args:
        name: The model's name.
        selector: Number, stage or alias; see `version`.

    Raises:
        NotFound: No such model or version.
    """
    store = connection().ready()
    one = version(name, selector)
    run = _run(store, one.run)
    parent = _run(store, run.parent) if run and run.parent else None
    pipeline = _run(store, run.tags["pipeline-id"]) if run and "pipeline-id" in run.tags else None
    others = [each for each in store.versions(run=one.run) if each.id != one.id]
    datasets: tuple[Dataset, ...] = run.datasets if run else ()
    return Lineage(
        version=one,
        run=run,
        parent=parent,
        pipeline=pipeline,
        datasets=datasets,
        code=code_of(run) if run else {},
        siblings=tuple(map(ModelVersion.from_row, others)),
    )
