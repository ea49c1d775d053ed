"""Commands that change: tag, note, rename, set-param, archive, delete, undo; and what was changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import chachaml as ml
from chachaml.display import run_text
from chachaml.ops import cleaning, corrections
from chachaml.ops import store as of_store
from chachaml.results import Lines
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, examples, reads, require_store, writes
from chachaml.surfaces.generating import command, parameters
from chachaml.surfaces.moving import progressing, tell_moved

__all__: list[str] = []


@cli.command(
    epilog=examples("chachaml tag 3f9a1c42 team=vision good=yes", "chachaml tag 3f9a1c42 --remove good")
)
@parameters(corrections.add_tag, "run_id", options=())
@click.argument("tags", nargs=-1, metavar="KEY=VALUE...")
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this tag; may be given several times.")
@reads
def tag(run_id: str, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Set tags of the run ID, or remove them; print all that it then has."""
    for pair in tags:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        corrections.add_tag(run_id, key, value)
    for key in remove:
        corrections.remove_tag(run_id, key)
    now = corrections.get_tags(run_id)
    output.print_json(now) if as_json else _print_tags(now)


def _print_tags(tags: dict[str, str]) -> None:
    for key, value in sorted(tags.items()):
        click.echo(output.printable(f"{key}={value}"))


@cli.command(epilog=examples("chachaml note 3f9a1c42 'Best so far'", "chachaml note 3f9a1c42"))
@parameters(corrections.set_note, "run_id", options=())
@click.argument("text", required=False)
@reads
def note(run_id: str, text: str | None, as_json: bool) -> None:
    """Set the note of the run ID, in Markdown; without TEXT edit it in your editor."""
    if text is None:
        text = click.edit(ml.run(run_id).note, extension=".md")
    if text is not None:
        corrections.set_note(run_id, text)
    if as_json:
        output.print_json({"note": ml.run(run_id).note})


def _print_named(run: ml.Run) -> None:
    click.echo(output.printable(f"{run.short_id} is {run.name}"))


def _print_run(run: ml.Run) -> None:
    click.echo(run_text(run, width=output.width(), paint=output.paint_for(sys.stdout)))


command(
    cli,
    corrections.rename_run,
    "rename",
    "run_id",
    "name",
    show=_print_named,
    epilog="chachaml rename 3f9a1c42 baseline",
)
command(
    cli,
    corrections.set_param,
    "set-param",
    "run_id",
    "key",
    "value",
    show=_print_run,
    epilog="chachaml set-param 3f9a1c42 lr 0.01\nchachaml set-param 3f9a1c42 lr 0.02 --force",
)
command(
    cli,
    corrections.delete_param,
    "delete-param",
    "run_id",
    "key",
    show=_print_run,
    epilog="chachaml delete-param 3f9a1c42 lr",
)
command(
    cli,
    corrections.delete_metric,
    "delete-metric",
    "run_id",
    "key",
    show=_print_run,
    epilog="chachaml delete-metric 3f9a1c42 val/loss",
)


command(
    cli,
    cleaning.archive_runs,
    "archive",
    "run_ids",
    show=click.echo,
    epilog="chachaml archive 3f9a1c42\nchachaml archive -e digits --older-than 30 --dry-run",
)


@cli.command(
    epilog=examples(
        "chachaml restore 3f9a1c42",
        "chachaml restore -e digits",
        "chachaml restore --backup backups/monday --store runs.db",
    )
)
@parameters(cleaning.restore_runs, "run_ids")
@click.option(
    "--backup",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Bring back a whole store from this folder instead; see chachaml backup.",
)
@writes
@click.pass_obj
def restore(
    store: Path, /, run_ids: list[str] | None, backup: Path | None, as_json: bool, **which: Any
) -> None:
    """Bring archived runs back into lists and searches; or, with --backup, a whole store."""
    if backup is None:
        require_store(store)
        said = {name: value for name, value in which.items() if value is not None}
        done = cleaning.restore_runs(run_ids, **said)
        output.print_json(done) if as_json else click.echo(done)
        return
    if run_ids or any(which.values()):
        raise click.UsageError("--backup brings back all of a store, and takes no runs")
    with progressing() as progress:
        tell_moved(ml.restore_backup(backup, progress=progress), as_json)


command(
    cli,
    cleaning.move_runs,
    "move",
    "experiment",
    "run_ids",
    show=click.echo,
    epilog="chachaml move digits 3f9a1c42\nchachaml move old --filter \"tags.team = 'vision'\"",
)


@cli.command(epilog=examples("chachaml delete 3f9a1c42", "chachaml delete --archived --older-than 90 --yes"))
@parameters(cleaning.delete_runs, "run_ids")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reads
def delete(run_ids: list[str] | None, yes: bool, dry_run: bool, as_json: bool, **which: Any) -> None:
    """Delete runs with all that belongs to them, for good. Asks first."""
    done = cleaning.delete_runs(run_ids, **which, dry_run=True)
    if not dry_run:
        if done.runs and not yes:
            click.echo(done, err=True)
            click.confirm("Delete them for good?", abort=True, err=True)
        done = cleaning.delete_runs(run_ids, **which)
    output.print_json(done) if as_json else click.echo(done)


def _print_lines(found: Sequence[Any]) -> None:
    click.echo(Lines(found))


command(
    cli,
    corrections.get_history,
    "history",
    "run_id",
    show=_print_lines,
    epilog="chachaml history\nchachaml history 3f9a1c42 --json",
)
command(cli, corrections.undo, "undo", "number", show=_print_lines, epilog="chachaml undo\nchachaml undo 12")


def _print_experiments(found: Sequence[ml.Experiment]) -> None:
    shown = ("name", "runs", "running", "archived", "last_started", "owner", "description")
    columns = {name: [getattr(one, name) for one in found] for name in shown}
    click.echo(output.table(ml.Table(columns, length=len(found))))


command(
    cli,
    of_store.list_experiments,
    "experiments",
    show=_print_experiments,
    epilog="chachaml experiments\nchachaml experiments --json",
)
command(
    cli,
    of_store.create_experiment,
    "create-experiment",
    "name",
    show=click.echo,
    epilog="chachaml create-experiment digits --description 'Handwritten digits' --owner ada",
)
