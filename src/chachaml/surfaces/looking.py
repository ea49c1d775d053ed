"""Commands that look: runs, search, show, best, compare, diff, plot, watch, export, query, artifacts."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

import chachaml as ml
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import STATUSES
from chachaml.display import comparison_text, run_text, runs_text, size, table_text
from chachaml.looking import sparks
from chachaml.results import Runs
from chachaml.surfaces import output
from chachaml.surfaces.commands import (
    cli,
    complete_experiment,
    complete_metric,
    complete_run,
    examples,
    reads,
)

__all__: list[str] = []

WATCH_EVERY = 1.0

experiment_option = click.option(
    "-e", "--experiment", shell_complete=complete_experiment, help="Only runs of this experiment."
)
limit_option = click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)


@cli.command(epilog=examples("chachaml runs -e digits -s failed", "chachaml runs --by ada -n 10 --json"))
@experiment_option
@click.option("-s", "--status", type=click.Choice([*STATUSES, "archived"]), help="Only runs in this status.")
@click.option("--name", help="Only runs of this name.")
@click.option("--by", "created_by", metavar="USER", help="Only runs that USER started.")
@click.option("--parent", metavar="ID", shell_complete=complete_run, help="Only children of this run.")
@limit_option
@reads
def runs(limit: int, as_json: bool, **filters: Any) -> None:
    """List runs, the newest first."""
    _print_runs(ml.runs(**filters, limit=limit), limit, as_json=as_json)


@cli.command(
    epilog=examples(
        'chachaml search "metrics.acc > 0.9 and params.lr <= 0.01"',
        'chachaml search "started > -7d and status = failed" --order "duration desc"',
    )
)
@click.argument("filter")
@click.option("--order", "order_by", metavar="FIELDS", help='Such as "metrics.loss asc, started desc".')
@experiment_option
@click.option("--archived", is_flag=True, help="Only archived runs.")
@limit_option
@reads
def search(filter: str, archived: bool, limit: int, as_json: bool, **more: Any) -> None:
    """List the runs that meet FILTER, in the search language."""
    _print_runs(ml.runs(filter, **more, archived=archived, limit=limit), limit, as_json=as_json)


def _print_runs(found: Runs, limit: int, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"runs": found.to_dicts(), "more": found.more})
        return
    paint = output.paint_for(sys.stdout)
    click.echo(runs_text(found, width=output.width(), paint=paint, rows=limit, option="--limit "))


@cli.command(epilog=examples("chachaml show 3f9a1c42", "chachaml show 3f9a1c42 --json | jq .params"))
@click.argument("id", shell_complete=complete_run)
@click.option("--console", is_flag=True, help="Print what the run printed.")
@reads
def show(id: str, console: bool, as_json: bool) -> None:  # noqa: A002 - the argument's name in --help
    """Show one run in full. ID is a run's id, its short form, or the beginning of it."""
    if console:
        click.echo(ml.console(id), nl=False)
        return
    run = ml.run(id)
    if as_json:
        output.print_json(run)
        return
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


@cli.command(
    epilog=examples(
        "chachaml best val/accuracy -e digits", "chachaml best loss --min --json | jq .metric_value"
    )
)
@click.argument("metric", shell_complete=complete_metric)
@click.option("--filter", help="Only among runs that meet this.")
@experiment_option
@click.option("--min/--max", "lowest", help="The lowest or the highest value wins.  [default: max]")
@reads
def best(metric: str, filter: str | None, experiment: str | None, lowest: bool, as_json: bool) -> None:
    """Show the run that reached the best value of METRIC."""
    run = ml.best_run(filter, experiment=experiment, metric=metric, direction="min" if lowest else "max")
    if run is None:
        where = f" of experiment {experiment}" if experiment else ""
        raise NotFound(f"no run{where} has a finite value of metric {metric!r}", _metrics_hint(experiment))
    if as_json:
        output.print_json(run)
        return
    click.echo(_whole(run))


def _metrics_hint(experiment: str | None) -> str:
    newest = ml.runs(experiment=experiment, limit=20)
    keys = sorted({key for run in newest for key in run.metrics})
    return f"metrics of the newest runs: {', '.join(keys[:12])}" if keys else ""


@cli.command(epilog=examples("chachaml compare 3f9a1c42 77d0e5b1", "chachaml compare 3f9a 77d0 --json"))
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_run)
@reads
def compare(ids: tuple[str, ...], as_json: bool) -> None:
    """Show runs side by side: what they share, and in what they differ."""
    compared = ml.compare_runs(ids)
    if as_json:
        output.print_json(compared.to_dict())
        return
    click.echo(comparison_text(compared, width=output.width(), paint=output.paint_for(sys.stdout)))


@cli.command(epilog=examples("chachaml diff 3f9a1c42 77d0e5b1"))
@click.argument("one", shell_complete=complete_run)
@click.argument("other", shell_complete=complete_run)
@reads
def diff(one: str, other: str, as_json: bool) -> None:
    """Show only what differs between two runs. The exit code is 1 if something does."""
    compared = ml.compare(one, other)
    rows = [row for row in compared.to_table() if row["compares"] != "same"]
    if as_json:
        output.print_json(rows)
    paint = output.paint_for(sys.stdout)
    for row in rows if not as_json else ():
        section, key, _, old, new = row.values()
        click.echo(paint(f"{section}.{key}", "strong"))
        click.echo(paint(f"  - {_or_nothing(old)}", "failed"))
        click.echo(paint(f"  + {_or_nothing(new)}", "completed"))
    if rows:
        click.get_current_context().exit(1)


def _or_nothing(value: object) -> str:
    return "(none)" if value is None else output.printable(str(value))


@cli.command(
    epilog=examples("chachaml plot 3f9a1c42 loss --log", "chachaml plot 3f9a1c42 77d0e5b1 val/accuracy")
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_run)
@click.argument("key", shell_complete=complete_metric)
@click.option("--log", is_flag=True, help="Draw on a logarithmic axis.")
@click.option("--smooth", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Moving average.")
@click.option("--height", type=click.IntRange(min=2, max=200), default=16, show_default=True, help="Lines.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write an SVG file instead.")
@reads
def plot(
    ids: tuple[str, ...], key: str, log: bool, smooth: float, height: int, svg: Path | None, as_json: bool
) -> None:
    """Draw the metric KEY of one or several runs in the terminal.

    With --json, print at most 1,000 points of each, picked so that extremes stay.
    """
    if as_json:
        series = [ml.metric(id, key, max_points=1000) for id in ids]  # noqa: A001 - as the argument
        output.print_json({"series": [one.to_dict() for one in series]})
        return
    drawn = ml.plot(key, ids, log=log, smooth=smooth)
    if svg:
        click.echo(drawn.save(svg))
        return
    click.echo(drawn.to_text(output.width(), height, paint=output.paint_for(sys.stdout)))


@cli.command(
    epilog=examples(
        "chachaml export runs.csv",
        "chachaml export runs.parquet --filter 'metrics.acc > 0.9'",
        "chachaml export -",
    )
)
@click.argument("path", default="-")
@click.option("--filter", help="Only runs that meet this.")
@experiment_option
@click.option(
    "--format", "kind", type=click.Choice(["csv", "jsonl", "parquet"]), help="Default: by suffix; csv."
)
@reads
def export(path: str, filter: str | None, experiment: str | None, kind: str | None, as_json: bool) -> None:
    """Write all runs that match to PATH, or as CSV to standard output; there is no limit."""
    if as_json:
        output.print_json(ml.export_runs(filter, experiment=experiment))
    elif path == "-":
        if kind == "parquet":
            raise BadValue("Parquet is for files", "name a path")
        click.echo(ml.export_runs(filter, experiment=experiment, format=kind or "csv"), nl=False)
    else:
        click.echo(ml.export_runs(filter, experiment=experiment, format=kind, path=path))


@cli.command(epilog=examples("chachaml query --sql 'SELECT status, count(*) FROM runs GROUP BY status'"))
@click.option("--sql", "query_text", required=True, help="One SELECT over runs, params, metrics, tags ...")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=1000, show_default=True, help="Rows.")
@reads
def query(query_text: str, limit: int, as_json: bool) -> None:
    """Ask the store in SQL; nothing can be changed."""
    found = ml.sql(query_text, limit=limit)
    if as_json:
        output.print_json({"columns": found.columns, "rows": found.to_dicts(), "more": found.more})
        return
    paint = output.paint_for(sys.stdout)
    click.echo(table_text(found, width=output.width(), paint=paint, most=limit))


@cli.group()
def artifacts() -> None:
    """List the artifacts of a run, or get them."""


@artifacts.command(
    "ls", epilog=examples("chachaml artifacts ls 3f9a1c42", "chachaml artifacts ls 3f9a plots/")
)
@click.argument("id", shell_complete=complete_run)
@click.argument("prefix", default="")
@reads
def list_artifacts(id: str, prefix: str, as_json: bool) -> None:  # noqa: A002
    """List the artifacts of the run ID whose names start with PREFIX."""
    found = ml.list_artifacts(id, prefix)
    if as_json:
        output.print_json(found)
        return
    columns = {
        "name": [one.name for one in found],
        "size": [size(one.size) for one in found],
        "type": [one.content_type for one in found],
    }
    table = ml.Table(columns, length=len(found))
    click.echo(table_text(table, width=output.width(), paint=output.paint_for(sys.stdout)))


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
