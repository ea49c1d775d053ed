"""What steps are, and in which order they can be done."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from multiprocessing.context import get_spawning_popen
from typing import Any, overload

from chachaml.core.errors import BadValue
from chachaml.core.values import as_text

__all__ = ["Step", "StepContext", "plan", "step"]


@dataclass(frozen=True)
class StepContext:
    """What a step is given.

    Attributes:
        pipeline_id: Id of the pipeline's run.
        step_name: The step's own name.
        step_order: Its place, from 0.
        params: The pipeline's params.
        results: The results of all steps before it, by name.
        prev_result: The result of the last step that it needs; None if it needs none.
    """

    pipeline_id: str
    step_name: str
    step_order: int
    params: Mapping[str, Any]
    results: Mapping[str, Any]
    prev_result: Any = None


@dataclass(frozen=True)
class Step:
    """A step of a pipeline; `step` makes one of a function. Calling it calls the function.

    Attributes:
        name: Its name in the pipeline.
        fn: A function of a `StepContext`, or of nothing.
        needs: Names of the steps whose results it takes; None for the step before it.
        retries: How often it is tried again when it fails.
        retry_delay: Seconds before it is.
        timeout: Seconds after which it fails; None for no limit.
        cache: Take the result of an earlier run of the same code with the same params and inputs.
        version: Changes when the result would, in ways that its own code does not show.
    """

    name: str
    fn: Callable[..., Any]
    needs: tuple[str, ...] | None = None
    retries: int = 0
    retry_delay: float = 0.0
    timeout: float | None = None
    cache: bool = False
    version: str = ""
    takes_context: bool = field(default=True, compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.fn(*args, **kwargs)

    def do(self, context: StepContext) -> Any:
        """Do the step."""
        return self.fn(context) if self.takes_context else self.fn()

    def __reduce__(self) -> Any:
        """Pickle by name what a module holds by name: its function cannot be pickled apart from it.

        But for a script's own steps on a cluster, whose workers have another ``__main__``.
        """
        module, name = self.fn.__module__, getattr(self.fn, "__qualname__", "")
        here = module != "__main__" or get_spawning_popen() is not None
        values = {key: value for key, value in vars(self).items() if key != "takes_context"}
        found = _at(module, name) if here else None
        if isinstance(found, Step) and found.fn is self.fn:
            del values["fn"]
            return _again, (module, name, values)
        return _remade, (values,)


Needs = Iterable["str | Step"] | str | Step | None
"""What a step needs: names of steps, or steps."""


def _at(module: str, name: str) -> Any:
    try:
        return functools.reduce(getattr, name.split("."), import_module(module))
    except (AttributeError, ImportError):
        return None


def _again(module: str, name: str, values: dict[str, Any]) -> Step:
    again: Step = replace(_at(module, name), **values)
    return again


def _remade(values: dict[str, Any]) -> Step:
    return _made(**values)


def _made(name: str, fn: Any, **about: Any) -> Step:
    """Return a step, checked.

    Raises:
        BadValue: No name, no function, or an option that makes no sense.
    """
    if not isinstance(name, str) or not as_text("step's name", name).strip():
        raise BadValue(f"a step needs a name, not {name!r}", "{'name': 'load', 'fn': load}")
    if not callable(fn):
        raise BadValue(f"step {name!r} needs a function, not {fn!r}", "{'name': 'load', 'fn': load}")
    for key in ("retries", "retry_delay", "timeout"):
        value = about.get(key)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0
        ):
            raise BadValue(f"step {name!r}: {key} is a number from 0 up, not {value!r}")
    needs = about.pop("needs", None)
    if isinstance(needs, (str, Step)):
        needs = [needs]
    if needs is not None:
        about["needs"] = tuple(
            dict.fromkeys(one.name if isinstance(one, Step) else str(one) for one in needs)
        )
    return Step(name, fn, takes_context=_takes_context(fn), **about)


def _takes_context(fn: Callable[..., Any]) -> bool:
    """Tell whether a function has a place for the context: without one it is called with nothing."""
    try:
        places = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return True
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(place.kind in kinds for place in places)


@overload
def step(fn: Callable[..., Any], /) -> Step: ...
@overload
def step(
    *,
    name: str | None = None,
    needs: Needs = None,
    retries: int = 0,
    retry_delay: float = 0.0,
    timeout: float | None = None,
    cache: bool = False,
    version: str = "",
) -> Callable[[Callable[..., Any]], Step]: ...
def step(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    needs: Needs = None,
    retries: int = 0,
    retry_delay: float = 0.0,
    timeout: float | None = None,
    cache: bool = False,
    version: str = "",
) -> Any:
    """Make a function a step of pipelines: ``@step``, or ``@step(needs=["load"], retries=2)``.

    Args:
        fn: A function of a `StepContext`, or of nothing. What it returns is the step's result.
        name: Default: the function's name.
        needs: Steps whose results it takes, by name or as they are. Default: the step before it.
        retries: How often it is tried again when it fails.
        retry_delay: Seconds before it is.
        timeout: Seconds after which it fails.
        cache: Take the result of an earlier run of the same code with the same params and inputs.
        version: Any text; another one makes what is cached out of date.

    Raises:
        BadValue: An option that makes no sense.
    """
    about: dict[str, Any] = {"needs": needs, "retries": retries, "retry_delay": retry_delay}
    about |= {"timeout": timeout, "cache": cache, "version": version}

    def make(function: Callable[..., Any]) -> Step:
        return _made(name or function.__name__, function, **about)

    return make if fn is None else make(fn)


def plan(steps: Iterable[Any]) -> list[Step]:
    """Return the steps of a pipeline, each with what it needs, in an order in which they can be done.

    Without any ``needs`` they are a chain. If one has some, the others need nothing.

    Args:
        steps: Steps; dicts with "name", "fn" and what else `step` takes; or (name, function) pairs.

    Raises:
        BadValue: Not a step, a name that is there twice, one that is needed and not there, or a circle.
    """
    if isinstance(steps, Mapping) or not isinstance(steps, Iterable):
        raise BadValue(f"steps are a list, not {type(steps).__name__}", "[('load', load), ('fit', fit)]")
    made = [_step_of(one) for one in steps]
    names = [one.name for one in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadValue(f"two steps are called {twice[0]!r}", "each name is there once")
    if all(one.needs is None for one in made):
        befores: list[tuple[str, ...]] = [(), *((name,) for name in names[:-1])]
        return [replace(one, needs=before) for one, before in zip(made, befores, strict=False)]
    return _sorted([replace(one, needs=one.needs or ()) for one in made])


def _step_of(one: Any) -> Step:
    if isinstance(one, Step):
        return one
    if isinstance(one, Mapping):
        unknown = set(one) - {*Step.__dataclass_fields__, "fn"} | ({"takes_context"} & set(one))
        if unknown:
            raise BadValue(
                f"a step has no {sorted(unknown)[0]!r}",
                "name, fn, needs, retries, retry_delay, timeout, cache, version",
            )
        return _made(**{"name": None, "fn": None, **one})
    if isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 2:
        return one[1] if isinstance(one[1], Step) and one[1].name == one[0] else _made(one[0], one[1])
    if callable(one):
        return _made(getattr(one, "__name__", ""), one)
    raise BadValue(f"{one!r} is no step", "{'name': 'load', 'fn': load}, ('load', load), or a function")


def _sorted(steps: list[Step]) -> list[Step]:
    by_name = {one.name: one for one in steps}
    for one in steps:
        for need in one.needs or ():
            if need not in by_name:
                raise BadValue(
                    f"step {one.name!r} needs {need!r}, which is no step", f"there are: {', '.join(by_name)}"
                )
    try:
        order = list(TopologicalSorter({one.name: one.needs or () for one in steps}).static_order())
    except CycleError as error:
        raise BadValue("steps need each other in a circle: " + " -> ".join(error.args[1])) from None
    return [by_name[name] for name in order]
