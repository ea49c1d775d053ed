"""Commands that change: tag, note, rename, archive, restore, delete, undo; and what was changed."""

from __future__ import annotations

from typing import Any

import click

import chachaml as ml
from chachaml.results import CleanUp
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, complete_experiment, complete_run, examples, reads

__all__: list[str] = []


@cli.command(
    epilog=examples("chachaml tag 3f9a1c42 team=vision good=yes", "chachaml tag 3f9a1c42 --remove good")
)
@click.argument("id", shell_complete=complete_run)
@click.argument("tags", nargs=-1, metavar="KEY=VALUE...")
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this tag; may be given several times.")
@reads
def tag(id: str, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:  # noqa: A002
    """Set tags of the run ID, or remove them; print all that it then has."""
    for pair in tags:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        ml.add_tag(id, key, value)
    for key in remove:
        ml.remove_tag(id, key)
    now = ml.get_tags(id)
    if as_json:
        output.print_json(now)
        return
    for key, value in sorted(now.items()):
        click.echo(output.printable(f"{key}={value}"))


@cli.command(epilog=examples("chachaml note 3f9a1c42 'Best so far'", "chachaml note 3f9a1c42"))
@click.argument("id", shell_complete=complete_run)
@click.argument("text", required=False)
@reads
def note(id: str, text: str | None, as_json: bool) -> None:  # noqa: A002
    """Set the note of the run ID, in Markdown; without TEXT edit it in your editor."""
    if text is None:
        text = click.edit(ml.run(id).note, extension=".md")
    if text is not None:
        ml.set_note(id, text)
    if as_json:
        output.print_json({"note": ml.run(id).note})


@cli.command(epilog=examples("chachaml rename 3f9a1c42 baseline"))
@click.argument("id", shell_complete=complete_run)
@click.argument("name")
@reads
def rename(id: str, name: str, as_json: bool) -> None:  # noqa: A002
    """Give the run ID another NAME."""
    run = ml.rename(id, name)
    if as_json:
        output.print_json(run)
    else:
        click.echo(output.printable(f"{run.short_id} is {run.name}"))


def _which(command: Any) -> Any:
    """Add what says which runs are meant."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing."),
        click.option("--older-than", "older_than_days", type=float, metavar="DAYS", help="Started before."),
        click.option("-e", "--experiment", shell_complete=complete_experiment, help="Of this experiment."),
        click.option("--filter", help="Those that meet this, in the search language."),
        click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=complete_run),
    ):
        command = option(command)
    return command


def _print_done(done: CleanUp, *, as_json: bool) -> None:
    if as_json:
        output.print_json(done)
    else:
        click.echo(done)


@cli.command(
    epilog=examples("chachaml archive 3f9a1c42", "chachaml archive -e digits --older-than 30 --dry-run")
)
@_which
@reads
def archive(ids: tuple[str, ...], as_json: bool, **which: Any) -> None:
    """Hide runs from lists and searches; restore and undo bring them back."""
    _print_done(ml.archive_runs(ids or None, **which), as_json=as_json)


@cli.command(epilog=examples("chachaml restore 3f9a1c42", "chachaml restore -e digits"))
@_which
@reads
def restore(ids: tuple[str, ...], as_json: bool, **which: Any) -> None:
    """Bring archived runs back."""
    _print_done(ml.restore_runs(ids or None, **which), as_json=as_json)


@cli.command(epilog=examples("chachaml delete 3f9a1c42", "chachaml delete --archived --older-than 90 --yes"))
@_which
@click.option("--archived", is_flag=True, help="Only archived runs: all of them, or those that match.")
@click.option("--cascade", is_flag=True, help="Their children too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reads
def delete(
    ids: tuple[str, ...], archived: bool, yes: bool, dry_run: bool, as_json: bool, **which: Any
) -> None:
    """Delete runs with all that belongs to them, for good. Asks first."""

    def act(dry: bool) -> CleanUp:
        if archived and not ids:
            return ml.delete_archived(**which, dry_run=dry)
        return ml.delete_runs(ids or None, **which, dry_run=dry)

    would = act(dry=True)
    if not dry_run and would.runs and not yes:
        click.echo(would, err=True)
        click.confirm("Delete them for good?", abort=True, err=True)
    _print_done(would if dry_run else act(dry=False), as_json=as_json)


@cli.command(epilog=examples("chachaml history", "chachaml history 3f9a1c42 --json"))
@click.argument("id", required=False, shell_complete=complete_run)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@reads
def history(id: str | None, limit: int, as_json: bool) -> None:  # noqa: A002
    """List who corrected what, newest first, of one run or of all."""
    found = ml.history(id, limit=limit)
    output.print_json(found) if as_json else click.echo(found)


@cli.command(epilog=examples("chachaml undo", "chachaml undo 12"))
@click.argument("number", type=int, required=False)
@reads
def undo(number: int | None, as_json: bool) -> None:
    """Take back the correction NUMBER of the history, or all that your last command corrected."""
    undone = ml.undo(number)
    output.print_json(undone) if as_json else click.echo(undone)


@cli.command(epilog=examples("chachaml experiments", "chachaml experiments --json"))
@reads
def experiments(as_json: bool) -> None:
    """List the experiments, with how many runs each has."""
    found = ml.experiments()
    if as_json:
        output.print_json(found)
        return
    shown = ("name", "runs", "running", "archived", "last_started", "owner", "description")
    columns = {name: [getattr(one, name) for one in found] for name in shown}
    click.echo(output.table(ml.Table(columns, length=len(found))))
