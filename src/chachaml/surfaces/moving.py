"""Commands that move stores: migrate, backup; and bring in what other tools recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

import chachaml as ml
from chachaml.moving.account import Moved, Progress
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, examples, reads

__all__ = ["progressing", "tell_moved"]

_WIDTH = 24


@contextmanager
def progressing() -> Iterator[Progress | None]:
    """Give what shows how far moving is, on a terminal; None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = False

    def show(done: int, total: int | None, points: int) -> None:
        nonlocal shown
        shown = True
        full = _WIDTH * done // total if total else 0
        bar = f"[{'█' * full}{'·' * (_WIDTH - full)}] " if total else ""
        of = f" of {total:,}" if total else ""
        click.echo(f"\r{bar}{done:,}{of} runs, {points:,} points", nl=False, err=True)

    try:
        yield show
    finally:
        if shown:
            click.echo(err=True)


def tell_moved(moved: Moved, as_json: bool) -> None:
    """Print an account; the exit code is 1 if it was verified and is not the same."""
    output.print_json(moved) if as_json else click.echo(moved)
    if moved.verified is False:
        click.get_current_context().exit(1)


@cli.command(
    epilog=examples(
        "chachaml migrate chachaml.db http://tracker.team:8080",
        "chachaml migrate http://127.0.0.1:8080 copy.db --no-follow",
    )
)
@click.argument("source")
@click.argument("target")
@click.option(
    "--follow/--no-follow", default=True, help="Go on until runs that are still written have ended."
)
@click.option("--verify/--no-verify", default=True, help="Read both again at the end, and compare.")
@click.option("--source-token", metavar="TOKEN", help="What to show the source, if it is a server.")
@click.option("--target-token", metavar="TOKEN", help="What to show the target, if it is a server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def migrate(
    source: str,
    target: str,
    follow: bool,
    verify: bool,
    source_token: str | None,
    target_token: str | None,
    as_json: bool,
) -> None:
    """Bring all that the store SOURCE holds to TARGET: files, or servers.

    Ids, times, corrections, models, accounts and the audit log stay as they are. Done again, it brings
    what is new. The exit code is 1 if the target is not the same in the end.
    """
    tokens = {"source_token": source_token, "target_token": target_token}
    with progressing() as progress:
        moved = ml.migrate(source, target, follow=follow, verify=verify, progress=progress, **tokens)
    tell_moved(moved, as_json)


@cli.command(
    epilog=examples("chachaml backup backups/monday", "chachaml --store runs.db backup /mnt/backups/runs")
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@reads
def backup(folder: Path, as_json: bool) -> None:
    """Copy the store and its artifacts into FOLDER, while others go on logging; then read the copy again.

    FOLDER may hold an earlier backup, which is brought up to date. chachaml restore --backup brings it back.
    """
    with progressing() as progress:
        moved = ml.backup(folder, progress=progress)
    tell_moved(moved, as_json)
