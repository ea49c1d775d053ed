"""Commands around the store: sync, doctor, config, completion, demo."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from click.shell_completion import get_completion_class

import chachaml as ml
from chachaml.core import configuration, settings
from chachaml.core.addresses import shown as without_passwords
from chachaml.core.errors import BadValue
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, examples, reads, require_store, writes

__all__: list[str] = []

WATCH_EVERY = 5.0


@cli.command(epilog=examples("chachaml sync", "chachaml sync /shared/spool --store runs.db --watch"))
@click.argument("spool", required=False)
@click.option("--watch", is_flag=True, help="Go on, every five seconds, until Ctrl-C.")
@writes
@click.pass_obj
def sync(store: Path, spool: str | None, watch: bool, as_json: bool) -> None:
    """Bring in what processes left in their journals, or what jobs wrote to SPOOL.

    Every command that reads does the former first; this one says what it did.
    """
    if spool is None:
        require_store(store)
    while True:
        report = ml.sync(None if spool is None else f"spool://{spool.removeprefix('spool://')}")
        (output.print_json if as_json else output.print_report)(report)
        if not watch:
            return
        time.sleep(WATCH_EVERY)


@cli.command(epilog=examples("chachaml doctor", "chachaml doctor --repair"))
@click.option("--repair", is_flag=True, help="Delete bytes of artifacts that no run has, and make room.")
@reads
@click.pass_obj
def doctor(store: Path, repair: bool, as_json: bool) -> None:
    """Check the store, its journals and its artifacts.

    The exit code is 1 if something is wrong.
    """
    report = ml.doctor(store, repair=repair)
    (output.print_json if as_json else output.print_report)(report)
    if not report.well:
        click.get_current_context().exit(1)


@cli.command(epilog=examples("chachaml upgrade postgresql://chachaml@db.example/chachaml"))
@click.argument("store", required=False)
@click.pass_obj
def upgrade(outer: str | None, store: str | None) -> None:
    """Bring a shared database to this chachaml's schema, or make it: older ones will not open it any more.

    A store in a file is brought up to date by whoever opens it.
    """
    path = settings.store_path(store or outer)
    address = settings.database(path)
    if address is None:
        raise BadValue(
            f"{path} is no database that people share",
            "a file is upgraded when it is opened, and a server's store where the server is",
        )
    from chachaml.store.postgres import upgrade_postgres

    steps = upgrade_postgres(address.public)
    for step in steps:
        click.echo(f"added: {step}")
    click.echo(f"{address.public} is up to date" + ("" if steps else ", and was before"))


@cli.command(epilog=examples("chachaml config", "chachaml config --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def config(as_json: bool) -> None:
    """Print all settings: what each is, and where it is set."""
    rows = []
    for name, setting in configuration.SETTINGS.items():
        value, source, _ = configuration.found(name)
        shown = "***" if setting.secret and value else without_passwords(value)
        rows.append({"name": name, "value": shown, "set_by": source, "about": setting.about})
    if as_json:
        output.print_json(rows)
        return
    table = ml.Table({key: [row[key] for row in rows] for key in rows[0]})
    click.echo(output.table(table))


@cli.command(epilog=examples('eval "$(chachaml completion bash)"', "chachaml completion fish | source"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, options, run ids, experiments and metrics."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "chachaml", "_CHACHAML_COMPLETE").source())


@cli.command()
@click.option("--dir", "folder", default="demo-output", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--ui/--no-ui", default=None, help="Open the runs in a browser at the end. Default: in a terminal."
)
def demo(folder: Path, ui: bool | None) -> None:
    """Train real models, then show what was recorded, here and in a browser.

    Trains scikit-learn models on handwritten digits and a neural net written in numpy; takes
    about ten seconds and needs scikit-learn: pip install 'chachaml[sklearn]'.
    """
    from chachaml.demos import show_demo

    show_demo(folder, output.width(), output.paint_for(sys.stdout))
    if sys.stdin.isatty() and sys.stdout.isatty() if ui is None else ui:
        from chachaml.surfaces.serving import serve_here

        click.echo()
        serve_here(ml.connect(folder / "chachaml.db"), None, browser=True)
