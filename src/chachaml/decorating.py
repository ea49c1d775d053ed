"""`tracked`: every call of a function is a run."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from chachaml.core.errors import BadValue
from chachaml.core.values import canonical
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun

__all__ = ["tracked"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_REPR = 200


@overload
def tracked(call: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tracked(
    *,
    experiment: str | None = None,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    log_args: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tracked(
    call: Callable[..., Any] | None = None,
    /,
    *,
    experiment: str | None = None,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    log_args: bool = False,
) -> Any:
    """Make every call of a function a run: ``@tracked``, or ``@tracked(experiment=..., log_args=True)``.

    For plain and async functions, generators and async generators, and methods. An exception ends
    the run as failed and is raised on. The function finds its run with `chachaml.current_run`.

    Args:
        call: The function.
        experiment: Default: the function's module; a script's file name without its suffix.
        name: Default: the function's name.
        tags: Of each run. ``tracked-fn`` is set to the function's full name unless it is among them.
        log_args: Log the arguments as params, under their names and with defaults; ``self`` and
            ``cls`` are left out, and what is no plain value is logged as its repr.
    """
    if call is None:
        return functools.partial(tracked, experiment=experiment, name=name, tags=tags, log_args=log_args)
    if not callable(call) or isinstance(call, type):
        raise BadValue(f"tracked is for functions, not for {call!r}")
    whole = f"{call.__module__}.{call.__qualname__}"
    about = {"tracked-fn": whole, **(tags or {})}
    signature = inspect.signature(call) if log_args else None

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> LiveRun:
        run = start_run(experiment or _module_of(call), name or call.__name__, tags=about)
        if signature is not None:
            run.log_params(_arguments(signature, args, kwargs))
        return run

    return _wrapped(call, start)


def _wrapped(
    call: Callable[..., Any], start: Callable[[tuple[Any, ...], dict[str, Any]], LiveRun]
) -> Callable[..., Any]:
    """Return the function of its own kind that runs within a run."""
    if inspect.isasyncgenfunction(call):

        @functools.wraps(call)
        async def in_async_steps(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with start(args, kwargs):
                async for item in call(*args, **kwargs):
                    yield item

        return in_async_steps
    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with start(args, kwargs):
                return await call(*args, **kwargs)

        return awaited
    if inspect.isgeneratorfunction(call):

        @functools.wraps(call)
        def in_steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with start(args, kwargs):
                result: Any = yield from call(*args, **kwargs)
                return result

        return in_steps

    @functools.wraps(call)
    def called(*args: Any, **kwargs: Any) -> Any:
        with start(args, kwargs):
            return call(*args, **kwargs)

    return called


def _module_of(call: Callable[..., Any]) -> str:
    module: str = call.__module__
    if module != "__main__":
        return module
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).stem if path else "__main__"


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name, as far as they fit; the call itself says what does not."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return {}
    bound.apply_defaults()
    given = dict(bound.arguments)
    if (first := next(iter(given), "")) in ("self", "cls"):
        del given[first]
    for key, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= given.pop(key, {})
        elif parameter.kind is parameter.VAR_POSITIONAL and not given.get(key):
            given.pop(key, None)
    return {key: _plain(key, value) for key, value in given.items()}


def _plain(key: str, value: Any) -> Any:
    try:
        canonical(key, value)
    except BadValue:
        return repr(value)[:_LONGEST_REPR].replace("\0", "\\0")
    return value
