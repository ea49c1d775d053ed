"""Commands of a store's upkeep: retention, usage."""

from __future__ import annotations

import click

from chachaml.ops import upkeep
from chachaml.results import Lines
from chachaml.retention import Rule
from chachaml.surfaces.commands import Listing, cli, examples
from chachaml.surfaces.generating import command

__all__: list[str] = []

command(cli, upkeep.get_usage, "usage", show=click.echo, epilog="chachaml usage\nchachaml usage --json")


@cli.group("retention", cls=Listing, epilog=examples("chachaml retention", "chachaml retention preview"))
def group() -> None:
    """List the rules by which old runs go, set them, see what they would do, and apply them."""


def _print_rules(found: tuple[Rule, ...]) -> None:
    click.echo(Lines(found))


command(group, upkeep.list_retention_rules, "ls", show=_print_rules, epilog="chachaml retention")
command(
    group,
    upkeep.set_retention_rule,
    "set",
    "name",
    show=click.echo,
    epilog="""\
chachaml retention set old --archive-after 90 --delete-after 30
chachaml retention set iris -e iris --archive-after 14 --keep-best 5 --metric accuracy
chachaml retention set broken --filter "status = failed" --archive-after 7""",
)
command(
    group,
    upkeep.delete_retention_rule,
    "delete",
    "name",
    show=_print_rules,
    epilog="chachaml retention delete old",
)
command(
    group,
    upkeep.preview_retention,
    "preview",
    show=click.echo,
    epilog="chachaml retention preview\nchachaml retention preview -n 10 --json",
)
command(
    group,
    upkeep.apply_retention,
    "apply",
    show=click.echo,
    ask="Archive, and delete for good, what the rules say?",
    epilog="chachaml retention apply\nchachaml retention apply --yes",
)
