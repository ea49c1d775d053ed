"""The page of the command line: every command with its arguments, options and examples, as click knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
from docs.site.markdown import code, prose, table

from chachaml.surfaces.cli import cli

__all__ = ["names", "page"]

HEAD = """# The command line

Every command of `chachaml`. The [guide](../guide/command-line.md) shows them in use; `chachaml COMMAND --help` says the same
as this page.

"""


def page() -> str:
    """Return the page."""
    root = click.Context(cli, info_name="chachaml")
    return HEAD + "\n".join([_section(cli, root), *(_section(*each) for each in _all(cli, root))])


def names() -> list[str]:
    """Return all commands, as they are typed."""
    root = click.Context(cli, info_name="chachaml")
    return [context.command_path for _, context in _all(cli, root)]


def _all(group: click.Group, above: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        context = click.Context(command, info_name=name, parent=above)
        yield command, context
        if isinstance(command, click.Group):
            yield from _all(command, context)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    options = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    examples = inspect.cleandoc((command.epilog or "").replace("\b", "")).strip()
    return "\n".join(
        [
            f"## `{context.command_path}`\n",
            prose(inspect.cleandoc(command.help or "").replace("\b", "")) + "\n",
            f"```text\n{context.command_path} {usage}\n```\n",
            table(("option", ""), [(code(name), prose(about)) for name, about in options]),
            f"```text\n{examples}\n```\n" if examples else "",
        ]
    )
