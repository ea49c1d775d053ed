"""Commands from operations: arguments, options, help and JSON as the operation says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import click
import msgspec
from click.shell_completion import CompletionItem

from chachaml.ops import Operation
from chachaml.surfaces import output
from chachaml.surfaces.commands import (
    complete_experiment,
    complete_metric,
    complete_model,
    complete_run,
    examples,
    reads,
)

__all__ = ["command", "parameters"]

Command = TypeVar("Command", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

SPELLINGS = {
    "experiment": ("-e", "--experiment"),
    "status": ("-s", "--status"),
    "limit": ("-n", "--limit"),
    "created_by": ("--by",),
    "order_by": ("--order",),
    "older_than_days": ("--older-than",),
    "archive_after_days": ("--archive-after",),
    "delete_after_days": ("--delete-after",),
}
"""Options that are not simply called as the argument is."""

METAVARS = {
    "run_id": "ID",
    "run_ids": "ID...",
    "pipeline_id": "ID",
    "created_by": "USER",
    "older_than_days": "DAYS",
    "archive_after_days": "DAYS",
    "delete_after_days": "DAYS",
    "order_by": "FIELDS",
    "parent": "ID",
    "model_name": "MODEL",
}

COMPLETERS: dict[str, Completer] = {
    **dict.fromkeys(("run_id", "run_ids", "one", "other", "parent", "pipeline_id"), complete_run),
    "experiment": complete_experiment,
    "metric": complete_metric,
    "model_name": complete_model,
}


def command(
    group: click.Group,
    operation: Operation[..., Any],
    name: str,
    *arguments: str,
    show: Callable[[Any], None],
    options: Iterable[str] | None = None,
    flags: Sequence[str] = (),
    epilog: str,
    about: str = "",
    ask: str = "",
) -> None:
    """Add a command that runs an operation and shows its result, or prints it as JSON.

    Args:
        group: Where to add it.
        operation: What it does.
        name: What people type.
        arguments: The operation's arguments that are given by place; those without a default must be.
        show: Prints the result for people.
        options: The arguments to offer as options. Default: all others.
        flags: Arguments of two choices, each of which becomes a flag.
        about: What the command does. Default: what the operation says.
        ask: What to ask before doing it, unless told ``--yes``.
        epilog: Examples, a line for each.
    """

    def body(as_json: bool, yes: bool = True, **given: Any) -> None:
        if not yes:
            click.confirm(ask, abort=True, err=True)
        result = operation.run({key: value for key, value in given.items() if value is not None})
        output.print_json(result) if as_json else show(result)

    body.__doc__ = about or f"{operation.summary}\n\n{operation.details}".strip()
    if ask:
        body = click.option("--yes", is_flag=True, help="Do not ask.")(body)
    wrapped = parameters(operation, *arguments, options=options, flags=flags)(reads(body))
    group.command(name, epilog=examples(*epilog.splitlines()))(wrapped)


def parameters(
    operation: Operation[..., Any],
    *arguments: str,
    options: Iterable[str] | None = None,
    flags: Sequence[str] = (),
) -> Callable[[Command], Command]:
    """Add an operation's arguments to a command written by hand; see `command`."""
    names = operation.arguments.__struct_fields__
    offered = [name for name in names if name not in arguments] if options is None else list(options)
    made = [_argument(operation, name) for name in arguments]
    made += [(_flag if name in flags else _option)(operation, name) for name in offered]

    def add(body: Command) -> Command:
        for decorate in reversed(made):
            body = decorate(body)
        return body

    return add


def _argument(operation: Operation[..., Any], name: str) -> Callable[[Command], Command]:
    kind, several = _click_type(operation, name)
    return click.argument(
        name,
        type=kind,
        nargs=-1 if several else 1,
        required=name in _required(operation),
        metavar=_metavar(operation, name),
        callback=_to_list if several else None,
        shell_complete=COMPLETERS.get(name),
    )


def _metavar(operation: Operation[..., Any], name: str) -> str:
    text = METAVARS.get(name, name.upper())
    return text if name in _required(operation) else f"[{text}]"


def _option(operation: Operation[..., Any], name: str) -> Callable[[Command], Command]:
    kind, several = _click_type(operation, name)
    default = _defaults(operation).get(name)
    return click.option(
        *SPELLINGS.get(name, ("--" + name.replace("_", "-"),)),
        name,
        type=kind,
        is_flag=kind is click.BOOL,
        multiple=several,
        required=name in _required(operation),
        default=default or None,
        show_default=isinstance(default, (int, float)) and not isinstance(default, bool),
        metavar=METAVARS.get(name),
        callback=_to_list if several else None,
        shell_complete=COMPLETERS.get(name),
        help=operation.about[name],
    )


def _flag(operation: Operation[..., Any], name: str) -> Callable[[Command], Command]:
    """Return an argument of two choices as a pair of flags."""
    one, other = operation.choices(name)
    chosen = {True: one, False: other}
    return click.option(
        f"--{one}/--{other}",
        name,
        default=None,
        callback=lambda _, __, first: chosen.get(first),
        help=f"{operation.about[name]}  [default: {_defaults(operation)[name]}]",
    )


def _to_list(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str] | None:
    return list(given) or None


def _required(operation: Operation[..., Any]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(operation.arguments) if field.required}


def _defaults(operation: Operation[..., Any]) -> Mapping[str, Any]:
    return {
        field.name: field.default
        for field in msgspec.structs.fields(operation.arguments)
        if field.default is not msgspec.NODEFAULT
    }


def _plain(text: str) -> Any:
    """Return what JSON says, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _click_type(operation: Operation[..., Any], name: str) -> tuple[Any, bool]:
    """Return how to read an argument, and whether it may be given several times."""
    if choices := operation.choices(name):
        return click.Choice(choices), False
    kind, lowest = _bare(operation.types[name])
    if get_origin(kind) is list:
        return click.STRING, True
    if kind is int:
        return (click.INT if lowest is None else click.IntRange(min=lowest)), False
    return {float: click.FLOAT, bool: click.BOOL, str: click.STRING}.get(
        kind, click.types.FuncParamType(_plain)
    ), False


def _bare(kind: Any) -> tuple[Any, int | None]:
    """Return a type without None and bounds, and its lower bound."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Annotated:
        kind, about = get_args(kind)
        return kind, about.ge
    return kind, None
