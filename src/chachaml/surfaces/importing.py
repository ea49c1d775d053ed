"""The commands that bring in what other tools recorded: import, watch-tensorboard."""

from __future__ import annotations

from typing import Any

import click

import chachaml as ml
from chachaml.moving.tools import SOURCES
from chachaml.surfaces.commands import cli, examples, writes
from chachaml.surfaces.moving import progressing, tell_moved

__all__: list[str] = []


@cli.command(
    "watch-tensorboard",
    epilog=examples("chachaml watch-tensorboard runs", "chachaml watch-tensorboard runs --idle 600"),
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("-e", "--experiment", default="", help="What to put the runs in; else the folder's name.")
@click.option("--idle", type=float, metavar="SECONDS", help="End when nothing new came for so long.")
@writes
def watch_tensorboard(folder: str, experiment: str, idle: float | None, as_json: bool) -> None:
    """Follow the event files below FOLDER live, until Ctrl-C."""
    with progressing() as progress:
        moved = ml.watch_tensorboard(folder, experiment=experiment, idle=idle, progress=progress)
    tell_moved(moved, as_json)


def _options(pairs: tuple[str, ...]) -> dict[str, Any]:
    given = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        given[key.replace("-", "_")] = value
    return given


@cli.command(
    "import",
    epilog=examples(
        "chachaml import mlflow mlflow.db --dry-run",
        "chachaml import mlflow mlruns",
        "chachaml import mlflow http://127.0.0.1:5000 --store http://tracker.team:8080",
    ),
)
@click.argument("source", metavar="FROM", type=click.Choice(list(SOURCES)))
@click.argument("where")
@click.option("--dry-run", is_flag=True, help="Count what is there, and change nothing.")
@click.option(
    "-o", "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of a tool: see its guide."
)
@writes
def import_(source: str, where: str, dry_run: bool, options: tuple[str, ...], as_json: bool) -> None:
    """Bring in the runs that the tool FROM recorded at WHERE: a file, a folder, or an address.

    Done again, it adds only what is new. What cannot be carried is named.
    """
    with progressing() as progress:
        moved = ml.import_runs(source, where, dry_run=dry_run, progress=progress, **_options(options))
    tell_moved(moved, as_json)
