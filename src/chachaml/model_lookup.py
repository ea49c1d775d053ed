"""From what people type to the models and versions that they mean."""

from __future__ import annotations

from typing import get_args

from chachaml.connection import connection
from chachaml.core.changes import Stage
from chachaml.core.errors import BadValue, NotFound
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.registered import Model, ModelVersion
from chachaml.results import Lines

__all__ = ["STAGES", "Selector", "model", "models", "version", "versions"]

STAGES: tuple[Stage, ...] = get_args(Stage)

Selector = int | str | None
"""A version by number, stage or alias; None is the one in production."""


def models() -> Lines[Model]:
    """Return all models, by name."""
    return Lines(map(Model.from_row, connection().ready().models()))


def model(name: str) -> Model:
    """Return one model.

    Raises:
        NotFound: No such model; the error names those there are.
    """
    found = models()
    for one in found:
        if one.name == name:
            return one
    raise _no_model(name, [one.name for one in found])


def _no_model(name: str, known: list[str]) -> NotFound:
    import difflib

    near = difflib.get_close_matches(name, known, 3) or known[:8]
    hint = f"there is {', '.join(map(repr, near))}" if near else "register_model makes one"
    return NotFound(f"there is no model {name!r}", hint)


def versions(name: str | None = None, *, run: AnyRun | None = None) -> Lines[ModelVersion]:
    """Return the versions of a model, ascending, or all; with `run` what was registered of that run.

    Raises:
        NotFound: No such model or run.
    """
    store = connection().ready()
    found = store.versions(name, None if run is None else resolve(store, id_of(run)).id)
    if not found and name is not None:
        model(name)
    return Lines(map(ModelVersion.from_row, found))


def version(name: str, selector: Selector = None) -> ModelVersion:
    """Return one version of a model.

    Args:
        name: The model's name, also as ``"name@alias"`` or ``"model://name/3"``.
        selector: Its number; a stage, which means the highest version in it; or an alias. Default: the
            version in production.

    Raises:
        NotFound: No such model or version; the error names those there are.
    """
    name, selector = _parse(name, selector)
    if isinstance(selector, int) and (rows := connection().ready().versions(name, number=selector)):
        return ModelVersion.from_row(rows[0])
    found = versions(name)
    fitting = [one for one in found if _fits(one, selector)]
    if fitting:
        return fitting[-1]
    wanted = f"version {selector}" if isinstance(selector, int) else f"version in {selector}"
    if isinstance(selector, str) and selector not in STAGES:
        wanted = f"stage or alias {selector!r}"
    known = ", ".join(f"{one.version} ({one.stage})" for one in found[-8:]) or "none"
    example = f"load_model({name!r}, {found[-1].version})" if found else "register_model makes one"
    raise NotFound(f"model {name!r} has no {wanted}", f"its versions: {known}; for example {example}")


def _fits(one: ModelVersion, selector: int | str) -> bool:
    if isinstance(selector, int):
        return one.version == selector
    return one.stage == selector if selector in STAGES else selector in one.aliases


def _parse(name: str, selector: Selector) -> tuple[str, int | str]:
    """Return a model's name, and which version of it is meant."""
    if not isinstance(name, str):
        raise BadValue(f"a model is named by a text, not by {type(name).__name__}")
    if name.startswith("model://"):
        name, slash, inside = name.removeprefix("model://").rpartition("/")
        name, selector = (name, inside) if slash else (inside, selector)
    elif selector is None and "@" in name:
        name, _, selector = name.rpartition("@")
    if "@" in name and selector is None:
        name, _, selector = name.rpartition("@")
    if isinstance(selector, bool) or not isinstance(selector, (int, str, type(None))):
        raise BadValue(f"a version is meant by number, stage or alias, not by {selector!r}")
    if isinstance(selector, str) and selector.isdecimal():
        selector = int(selector)
    return name, "production" if selector in (None, "") else selector
