"""The command line: find runs, look at them, and keep the store healthy."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

import chachaml as ml
from chachaml.core import settings
from chachaml.core.errors import ChachamlError, ChachamlWarning, NotFound, StoreUnavailable
from chachaml.core.model import STATUSES
from chachaml.display import run_text, runs_text
from chachaml.looking import sparks
from chachaml.surfaces import output

__all__ = ["cli", "main"]

Command = TypeVar("Command", bound=Callable[..., Any])

EPILOG = """
\b
Examples:
  chachaml runs                          the newest runs of ./chachaml.db
  chachaml runs -e digits --json | jq '.runs[].name'
  chachaml show 3f9a1c42                 one run in full
  chachaml best val/accuracy             the run that reached the highest value
  chachaml plot 3f9a1c42 loss --log      its curve, here in the terminal

\b
JSON is strict: NaN and infinities are the strings "NaN", "Infinity" and "-Infinity".
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 store unusable.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # A terminal that cannot show a character is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.simplefilter("always", ChachamlWarning)
        warnings.showwarning = output.print_warning
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="chachaml", standalone_mode=False)
    except click.Abort:  # Ctrl-C
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ChachamlError as error:
        output.tell(error)
        return output.exit_code(error)
    return code if isinstance(code, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option("--store", metavar="PATH", help="The store; else CHACHAML_STORE; else ./chachaml.db.")
@click.version_option(package_name="chachaml", message="%(package)s %(version)s")
@click.pass_context
def cli(context: click.Context, store: str | None) -> None:
    """Find machine-learning runs again, look at them, and keep their store healthy."""
    context.obj = store


def examples(*lines: str) -> str:
    """Return `lines` as a help text's last paragraph, kept as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def reads(command: Command) -> Command:
    """Add the options that every command has which reads a store: ``--store`` and ``--json``."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)
    return click.option(
        "--store",
        metavar="PATH",
        expose_value=False,
        callback=_connect,
        help="The store; else CHACHAML_STORE; else ./chachaml.db.",
    )(command)


def _connect(context: click.Context, _option: click.Parameter, store: str | None) -> None:
    """Connect to a store that exists: a command that reads must not make an empty one."""
    if context.resilient_parsing:
        return
    path = settings.store_path(store or context.obj)
    if not path.exists() and not settings.journals_beside(path).exists():
        raise StoreUnavailable(
            f"there is no store at {os.path.relpath(path)}",
            "go to the folder where the runs were logged, or say where it is: chachaml --store PATH ...",
        )
    ml.connect(path)
    context.obj = path


@cli.command(epilog=examples("chachaml runs -e digits -s failed", "chachaml runs --by ada -n 10 --json"))
@click.option("-e", "--experiment", help="Only runs of this experiment.")
@click.option("-s", "--status", type=click.Choice(STATUSES), help="Only runs in this status.")
@click.option("--name", help="Only runs of this name.")
@click.option("--by", "created_by", metavar="USER", help="Only runs that USER started.")
@click.option("--parent", metavar="ID", help="Only children of this run.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many."
)
@reads
def runs(limit: int, as_json: bool, **filters: Any) -> None:
    """List runs, the newest first."""
    found = ml.runs(**filters, limit=limit)
    if as_json:
        output.print_json({"runs": found.to_dicts(), "more": found.more})
        return
    paint = output.paint_for(sys.stdout)
    click.echo(runs_text(found, width=output.width(), paint=paint, rows=limit, option="--limit "))


@cli.command(epilog=examples("chachaml show 3f9a1c42", "chachaml show 3f9a1c42 --json | jq .params"))
@click.argument("id")
@reads
def show(id: str, as_json: bool) -> None:  # noqa: A002 - the argument's name in --help
    """Show one run in full. ID is a run's id, its short form, or the beginning of it."""
    run = ml.run(id)
    if as_json:
        output.print_json(run)
        return
    paint = output.paint_for(sys.stdout)
    click.echo(run_text(run, width=output.width(), paint=paint, sparks=sparks(run)))


@cli.command(
    epilog=examples(
        "chachaml best val/accuracy -e digits", "chachaml best loss --min --json | jq .metric_value"
    )
)
@click.argument("metric")
@click.option("-e", "--experiment", help="Only runs of this experiment.")
@click.option("--min/--max", "lowest", help="The lowest or the highest value wins.  [default: max]")
@reads
def best(metric: str, experiment: str | None, lowest: bool, as_json: bool) -> None:
    """Show the run that reached the best value of METRIC."""
    run = ml.best_run(experiment=experiment, metric=metric, direction="min" if lowest else "max")
    if run is None:
        where = f" of experiment {experiment}" if experiment else ""
        raise NotFound(f"no run{where} has a finite value of metric {metric!r}", _metrics_hint(experiment))
    if as_json:
        output.print_json(run)
        return
    click.echo(run_text(run, width=output.width(), paint=output.paint_for(sys.stdout), sparks=sparks(run)))


def _metrics_hint(experiment: str | None) -> str:
    newest = ml.runs(experiment=experiment, limit=20)
    keys = sorted({key for run in newest for key in run.metrics})
    return f"metrics of the newest runs: {', '.join(keys[:12])}" if keys else ""


@cli.command(
    epilog=examples("chachaml plot 3f9a1c42 loss --log", "chachaml plot 3f9a1c42 77d0e5b1 val/accuracy")
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.argument("key")
@click.option("--log", is_flag=True, help="Draw on a logarithmic axis.")
@click.option("--height", type=click.IntRange(min=2, max=200), default=16, show_default=True, help="Lines.")
@reads
def plot(ids: tuple[str, ...], key: str, log: bool, height: int, as_json: bool) -> None:
    """Draw the metric KEY of one or several runs in the terminal.

    With --json, print at most 1,000 points of each, picked so that extremes stay.
    """
    if as_json:
        series = [ml.metric(id, key, max_points=1000) for id in ids]  # noqa: A001 - as the argument
        output.print_json({"series": [_columns(one) for one in series]})
        return
    drawn = ml.plot(key, ids, log=log)
    click.echo(drawn.to_text(output.width(), height, paint=output.paint_for(sys.stdout)))


def _columns(series: Any) -> dict[str, Any]:
    columns = {name: getattr(series, name).tolist() for name in ("steps", "times", "values")}
    return {"run": series.run, "key": series.key, **columns, "total": series.total, "sampled": series.sampled}


@cli.command()
@reads
@click.pass_obj
def sync(store: Path, as_json: bool) -> None:
    """Bring in what processes left in their journals.

    Every command that reads does this first; this one says what it did.
    """
    report = ml.sync(store)
    (output.print_json if as_json else output.print_report)(report)


@cli.command()
@reads
@click.pass_obj
def doctor(store: Path, as_json: bool) -> None:
    """Check the store and its journals.

    The exit code is 1 if something is wrong.
    """
    report = ml.doctor(store)
    (output.print_json if as_json else output.print_report)(report)
    if not report.well:
        click.get_current_context().exit(1)


@cli.command()
@click.option("--dir", "folder", default="demo-output", show_default=True, type=click.Path(path_type=Path))
def demo(folder: Path) -> None:
    """Train real models, then show what was recorded.

    Trains scikit-learn models on handwritten digits and a neural net written in numpy; takes
    about ten seconds and needs scikit-learn: pip install 'chachaml[sklearn]'.
    """
    from chachaml.demos import show_demo

    show_demo(folder, output.width(), output.paint_for(sys.stdout))
