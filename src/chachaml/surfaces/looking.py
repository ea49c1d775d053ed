"""Commands that look: runs, search, show, best, compare, diff, plot, watch, export, query, artifacts."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

import chachaml as ml
from chachaml.core.errors import BadValue, NotFound
from chachaml.display import comparison_text, run_text, runs_text, size, table_text
from chachaml.looking import sparks
from chachaml.ops import runs, store
from chachaml.ops.runs import RunPage
from chachaml.results import Runs
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, complete_run, examples, reads
from chachaml.surfaces.generating import command, parameters
from chachaml.surfaces.moving import progressing, tell_moved

__all__: list[str] = []

WATCH_EVERY = 1.0


def _print_runs(page: RunPage) -> None:
    found = Runs(page.runs, next=page.next or "")
    paint = output.paint_for(sys.stdout)
    click.echo(runs_text(found, width=output.width(), paint=paint, rows=len(found), option="--limit "))


command(
    cli,
    runs.list_runs,
    "runs",
    options=("experiment", "status", "name", "created_by", "parent", "limit", "after"),
    show=_print_runs,
    epilog="chachaml runs -e digits -s failed\nchachaml runs --by ada -n 10 --json",
)
command(
    cli,
    runs.list_runs,
    "search",
    "filter",
    options=("order_by", "experiment", "archived", "limit", "after"),
    about="List the runs that meet FILTER, in the search language.",
    show=_print_runs,
    epilog="""\
chachaml search "metrics.acc > 0.9 and params.lr <= 0.01"
chachaml search "started > -7d and status = failed" --order "duration desc\"""",
)


@cli.command(epilog=examples("chachaml show 3f9a1c42", "chachaml show 3f9a1c42 --json | jq .params"))
@parameters(runs.get_run, "run_id")
@click.option("--console", is_flag=True, help="Print what the run printed.")
@reads
def show(run_id: str, console: bool, as_json: bool) -> None:
    """Show one run in full. ID is a run's id, its short form, or the beginning of it."""
    if console:
        click.echo(ml.console(run_id), nl=False)
        return
    run = runs.get_run(run_id)
    output.print_json(run) if as_json else _print_run(run)


def _print_run(run: ml.Run) -> None:
    click.echo(_whole(run))


def _whole(run: ml.Run) -> str:
    return run_text(run, width=output.width(), paint=output.paint_for(sys.stdout), sparks=sparks(run))


@cli.command(epilog=examples("chachaml watch 3f9a1c42", "chachaml watch"))
@click.argument("id", required=False, shell_complete=complete_run)
@reads
def watch(id: str | None, as_json: bool) -> None:  # noqa: A002 - the argument's name in --help
    """Show a run, the newest by default, and go on showing it until it ends.

    With --json, print a document whenever something has changed.
    """
    newest = ml.last_run()
    if id is None and newest is None:
        raise NotFound("there is no run to watch", "log one first")
    which, before = id or (newest.id if newest else ""), ""
    while True:
        run = ml.run(which)
        now = run.to_json() if as_json else _whole(run)
        if now != before:
            _redraw(now, before, as_json=as_json)
            before = now
        if run.status != "running":
            return
        time.sleep(WATCH_EVERY)


def _redraw(now: str, before: str, *, as_json: bool) -> None:
    """Print anew, over what was printed before if this is a terminal."""
    if before and not as_json and sys.stdout.isatty():
        click.echo(f"\x1b[{before.count(chr(10)) + 1}A\x1b[J", nl=False)
    elif before and not as_json:
        click.echo()
    click.echo(now)


command(
    cli,
    runs.best_run,
    "best",
    "metric",
    flags=("direction",),
    show=_print_run,
    epilog="chachaml best val/accuracy -e digits\nchachaml best loss --min --json | jq .metric_value",
)


def _print_comparison(compared: runs.Compared) -> None:
    paint = output.paint_for(sys.stdout)
    # From the ids: what is printed names the runs, what JSON gives does not.
    click.echo(comparison_text(ml.compare_runs(compared.runs), width=output.width(), paint=paint))


command(
    cli,
    runs.compare_runs,
    "compare",
    "run_ids",
    show=_print_comparison,
    epilog="chachaml compare 3f9a1c42 77d0e5b1\nchachaml compare 3f9a 77d0 --json",
)


@cli.command(epilog=examples("chachaml diff 3f9a1c42 77d0e5b1"))
@parameters(runs.diff_runs, "one", "other")
@reads
def diff(one: str, other: str, as_json: bool) -> None:
    """Show only what differs between two runs. The exit code is 1 if something does."""
    found = runs.diff_runs(one, other)
    if as_json:
        output.print_json(found)
    paint = output.paint_for(sys.stdout)
    for each in found if not as_json else ():
        click.echo(paint(f"{each.section}.{each.key}", "strong"))
        click.echo(paint(f"  - {_or_nothing(each.one)}", "failed"))
        click.echo(paint(f"  + {_or_nothing(each.other)}", "completed"))
    if found:
        click.get_current_context().exit(1)


def _or_nothing(value: object) -> str:
    return "(none)" if value is None else output.printable(str(value))


@cli.command(
    epilog=examples("chachaml plot 3f9a1c42 loss --log", "chachaml plot 3f9a1c42 77d0e5b1 val/accuracy")
)
@parameters(runs.get_series, "run_ids", "metric", options=())
@click.option("--log", is_flag=True, help="Draw on a logarithmic axis.")
@click.option("--smooth", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Moving average.")
@click.option("--height", type=click.IntRange(min=2, max=200), default=16, show_default=True, help="Lines.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write an SVG file instead.")
@reads
def plot(
    run_ids: list[str], metric: str, log: bool, smooth: float, height: int, svg: Path | None, as_json: bool
) -> None:
    """Draw the METRIC of one or several runs in the terminal.

    With --json, print at most 1,000 points of each, picked so that extremes stay.
    """
    if as_json:
        output.print_json(runs.get_series(run_ids, metric))
        return
    drawn = ml.plot(metric, run_ids, log=log, smooth=smooth)
    if svg:
        click.echo(drawn.save(svg))
        return
    click.echo(drawn.to_text(output.width(), height, paint=output.paint_for(sys.stdout)))


@cli.command(
    epilog=examples(
        "chachaml export runs.csv",
        "chachaml export runs.parquet --filter 'metrics.acc > 0.9'",
        "chachaml export report.html --experiment digits",
        "chachaml export everything --format folder",
        "chachaml export -",
    )
)
@click.argument("path", default="-")
@parameters(runs.export_runs, options=("filter", "experiment"))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet", "html", "folder", "mlflow"]),
    help="Default: by suffix; csv.",
)
@reads
def export(path: str, filter: str | None, experiment: str | None, kind: str | None, as_json: bool) -> None:
    """Write all runs that match to PATH, or as CSV to standard output; there is no limit.

    csv, jsonl and parquet are tables with a row for each run. html is one page of the newest 50, which opens
    anywhere. folder is everything, points and artifacts too, as Parquet and plain files; mlflow a folder that
    MLflow reads.
    """
    whole = {"folder": ml.export_parquet, "mlflow": ml.export_mlflow}
    if kind in whole:
        with progressing() as progress:
            tell_moved(whole[kind](path, filter=filter, experiment=experiment, progress=progress), as_json)
    elif kind == "html" or (kind is None and path.endswith((".html", ".htm"))):
        click.echo(ml.export_html(path, filter=filter, experiment=experiment))
    elif as_json:
        output.print_json(runs.export_runs(filter, experiment))
    elif path == "-":
        if kind == "parquet":
            raise BadValue("Parquet is for files", "name a path")
        output.print_data(ml.export_runs(filter, experiment=experiment, format=kind or "csv"))
    else:
        click.echo(ml.export_runs(filter, experiment=experiment, format=kind, path=path))


@cli.command(epilog=examples("chachaml query --sql 'SELECT status, count(*) FROM runs GROUP BY status'"))
@parameters(store.query_sql)
@reads
def query(sql: str, limit: int, as_json: bool) -> None:
    """Ask the store in SQL; nothing can be changed."""
    if as_json:
        output.print_json(store.query_sql(sql, limit))
        return
    paint = output.paint_for(sys.stdout)
    click.echo(table_text(ml.sql(sql, limit=limit), width=output.width(), paint=paint, most=limit))


@cli.group()
def artifacts() -> None:
    """List the artifacts of a run, or get them."""


def _print_artifacts(found: Sequence[ml.Artifact]) -> None:
    columns = {
        "name": [one.name for one in found],
        "size": [size(one.size) for one in found],
        "type": [one.content_type for one in found],
    }
    click.echo(output.table(ml.Table(columns, length=len(found))))


command(
    artifacts,
    store.list_artifacts,
    "ls",
    "run_id",
    "prefix",
    show=_print_artifacts,
    epilog="chachaml artifacts ls 3f9a1c42\nchachaml artifacts ls 3f9a plots/",
)


@artifacts.command(
    "get",
    epilog=examples("chachaml artifacts get 3f9a1c42 model", "chachaml artifacts get 3f9a plots -o out"),
)
@click.argument("id", shell_complete=complete_run)
@click.argument("name")
@click.option("-o", "--to", default=".", show_default=True, help="The folder to copy into.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@reads
def get_artifact(id: str, name: str, to: str, overwrite: bool, as_json: bool) -> None:  # noqa: A002
    """Copy the artifact NAME, or all below it, of the run ID."""
    path = ml.download_artifact(id, name, to, overwrite=overwrite)
    if as_json:
        output.print_json({"path": str(path)})
    else:
        click.echo(path)
