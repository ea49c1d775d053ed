"""Writes what an Aim repository holds as lines of JSON.

``python aim_export.py REPOSITORY > runs.jsonl`` needs Aim and nothing of chachaml, for it runs where Aim is
installed: Aim keeps its data in RocksDB, in an encoding of its own, and has no release for every Python.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any

Line = dict[str, Any]

POINTS = 20_000
"""Points of one line."""


def lines(place: str) -> Iterator[Line]:
    """Yield a line for each run, and after it those for its points and files."""
    import aim

    repo = aim.Repo(place)
    for name in repo.list_all_runs():
        try:
            run = _opened(repo, name)
            yield {"run": name, **_about(run)}
        except Exception as error:
            yield _left("run", name, error)
            continue
        yield from _sequences(run)


def _opened(repo: Any, name: str) -> Any:
    """Return a run as its own files have it: Aim reads an index, which may lack what was written last."""
    import aim

    run = aim.Run(name, repo=repo, read_only=True)
    run.meta_tree = repo.request_tree("meta", name, read_only=True).subtree("meta")
    run.meta_attrs_tree = run.meta_tree.subtree("attrs")
    run.meta_run_tree = run.meta_tree.subtree("chunks").subtree(name)
    run.meta_run_attrs_tree = run.meta_run_tree.subtree("attrs")
    run._tracker.meta_tree = run.meta_tree
    return run


def _about(run: Any) -> Line:
    return {
        "name": run.name,
        "experiment": run.experiment,
        "description": run.description,
        "archived": bool(run.archived),
        "started": run.creation_time,
        "ended": run.end_time,
        "active": bool(run.active),
        "tags": list(run.tags),
        "params": run.get(..., {}, resolve_objects=False),
    }


def _sequences(run: Any) -> Iterator[Line]:
    from aim.sdk.sequence import Sequence

    kinds = tuple(kind for kind in Sequence.registry if kind != "sequence")
    for kind, found in run.collect_sequence_info(kinds, skip_last_value=True).items():
        for one in found:
            try:
                sequence = run._get_sequence(kind, one["name"], _context(one["context"]))
                if sequence is not None:
                    read = _points if kind == "metric" else _objects
                    yield from read(kind, one, sequence)
            except Exception as error:
                yield _left(kind, one["name"], error)


def _context(given: Line) -> Any:
    from aim.storage.context import Context

    return Context(given)


def _points(_kind: str, about: Line, sequence: Any) -> Iterator[Line]:
    steps, columns = sequence.data.items_list()
    named = dict(zip([name for name, _ in sequence.data.columns], columns, strict=True))
    for start in range(0, len(steps), POINTS):
        part = slice(start, start + POINTS)
        yield {
            "points": about["name"],
            "context": about["context"],
            "steps": [int(step) for step in steps[part]],
            "times": [float(time) for time in named["time"][part]],
            "values": [float(value) for value in named["val"][part]],
        }


def _objects(kind: str, about: Line, sequence: Any) -> Iterator[Line]:
    names = [name for name, _ in sequence.data.columns]
    for step, row in sequence.data.items():
        told = dict(zip(names, row, strict=True))
        some = told["val"] if isinstance(told["val"], (list, tuple)) else [told["val"]]
        for number, value in enumerate(some):
            name = f"{about['name']}/{step}" + (f"-{number}" if len(some) > 1 else "")
            line = {"file": name, "kind": kind, "context": about["context"], "time": float(told["time"])}
            try:
                yield {**line, **_content(kind, value)}
            except Exception as error:
                yield _left(kind, name, error)


def _content(kind: str, value: Any) -> Line:
    if kind == "distributions":
        return {"counts": value.weights.tolist(), "edges": value.ranges.tolist()}
    if kind in ("texts", "logs"):
        return {"text": value.data}
    if kind in ("images", "audios"):
        data = bytes(value.storage["data"].load())
        return {"data": base64.b64encode(data).decode(), "ending": str(value.storage["format"])}
    if kind == "figures":
        return {"plotly": value.storage["data"].load()}
    raise ValueError("nothing here keeps it")


def _left(what: str, name: str, error: Exception) -> Line:
    return {"left": what, "name": name, "why": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Write all lines."""
    for line in lines(sys.argv[1]):
        sys.stdout.write(json.dumps(line, default=str) + "\n")


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file, whose modules are named as the libraries that they read
    main()
