"""Commands that show pipelines and go on with them, and that sweep."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.display import duration, pipeline_text, sweep_text
from chachaml.ops import pipelines
from chachaml.pipelines.shown import Pipeline
from chachaml.surfaces import output
from chachaml.surfaces.commands import Listing, cli, complete_run, examples, reads, writes
from chachaml.surfaces.generating import command

__all__: list[str] = []


@cli.group(
    "pipelines", cls=Listing, epilog=examples("chachaml pipelines", "chachaml pipelines show 3f9a1c42")
)
def pipeline_group() -> None:
    """List pipelines, look at them and go on with them."""


def _print_pipelines(found: Sequence[Pipeline]) -> None:
    columns: dict[str, list[Any]] = {
        "id": [one.id[-8:] for one in found],
        "name": [one.name for one in found],
        "status": [one.status for one in found],
        "steps": [f"{_done(one)} of {len(one.steps)}" for one in found],
        "created": [one.created for one in found],
        "duration": [duration(one.duration) for one in found],
        "description": [one.description for one in found],
    }
    click.echo(output.table(ml.Table(columns, length=len(found))))


def _done(pipeline: Pipeline) -> int:
    return sum(step.status in ("completed", "cached") for step in pipeline.steps)


def _print_pipeline(pipeline: Pipeline) -> None:
    click.echo(pipeline_text(pipeline, paint=output.paint_for(sys.stdout)))


command(
    pipeline_group,
    pipelines.list_pipelines,
    "ls",
    show=_print_pipelines,
    epilog="chachaml pipelines\nchachaml pipelines -n 5 --json",
)
command(
    pipeline_group,
    pipelines.get_pipeline,
    "show",
    "pipeline_id",
    show=_print_pipeline,
    epilog="chachaml pipelines show 3f9a1c42",
)


@pipeline_group.command(epilog=examples("chachaml pipelines resume 3f9a1c42 train.py"))
@click.argument("pipeline_id", metavar="ID", shell_complete=complete_run)
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@reads
def resume(pipeline_id: str, script: Path, as_json: bool) -> None:
    """Go on with the pipeline ID, whose @chachaml.pipeline is in the file SCRIPT."""
    _module_of(script)
    ml.pipeline.resume(pipeline_id)
    found = pipelines.get_pipeline(pipeline_id)
    output.print_json(found) if as_json else _print_pipeline(found)


@cli.command(
    epilog=examples(
        "chachaml sweep train.py:loss -p lr=1e-4..1e-1:log -p depth=2,4,8 --trials 20",
        "chachaml sweep train.py:accuracy -p depth=2..10 --method grid --max",
    )
)
@click.argument("target", metavar="FILE:FUNCTION")
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    required=True,
    metavar="KEY=VALUES",
    help="What to vary: values with commas, or LOW..HIGH, or LOW..HIGH:log; may be given several times.",
)
@click.option("--trials", type=click.IntRange(min=1), help="How many.  [default: 20, or all of a grid]")
@click.option("--min/--max", "lowest", default=True, help="Whether low or high values are good.")
@click.option("--method", help="grid, random, tpe, gp or cmaes.")
@click.option("--metric", default="objective", show_default=True, help="What the value is called.")
@click.option("--workers", type=click.IntRange(min=1), default=1, help="How many trials at once.")
@click.option("--seed", type=int, default=0, help="For what is random.")
@click.option("--resume", metavar="ID", shell_complete=complete_run, help="A sweep to go on with.")
@writes
def sweep(target: str, params: tuple[str, ...], lowest: bool, as_json: bool, **more: Any) -> None:
    """Try FUNCTION, which takes the params as a dict, with many of them."""
    path, colon, name = target.rpartition(":")
    if not colon or not Path(path).is_file():
        raise click.UsageError(f"{target!r} is not FILE:FUNCTION of a file that is there")
    fn = getattr(_module_of(Path(path)), name, None)
    if fn is None:
        raise click.UsageError(f"{path} has no function {name!r}")
    found = ml.sweep(fn, dict(map(_values, params)), direction="min" if lowest else "max", **more)
    if as_json:
        about = {"id": found.id, "best_params": found.best_params, "best_value": found.best_value}
        output.print_json({**about, "trials": found.to_table().to_dicts()})
        return
    click.echo(sweep_text(found, paint=output.paint_for(sys.stdout)))


def _values(text: str) -> tuple[str, Any]:
    """Return what ``lr=1e-4..1e-1:log`` or ``depth=2,4,8`` says."""
    key, equals, values = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} is not KEY=VALUES")
    bounds, _, how = values.partition(":")
    low, dots, high = bounds.partition("..")
    if not dots:
        return key, [_plain(one) for one in values.split(",")]
    ends = (_plain(low), _plain(high))
    return key, (*ends, how) if how else ends


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}.get(text, text)


def _module_of(script: Path) -> ModuleType:
    """Return a user's own file as a module, with its folder on the path as Python has it."""
    sys.path.insert(0, str(script.resolve().parent))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise BadValue(f"{script} is no file of Python")
    module = sys.modules[script.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
