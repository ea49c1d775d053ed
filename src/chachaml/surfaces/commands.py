"""What all commands share: the group, the options of those that read a store, and their help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

import chachaml as ml
from chachaml.core import settings
from chachaml.core.errors import ChachamlError, StoreUnavailable
from chachaml.display import path_text

__all__ = [
    "Listing",
    "cli",
    "complete_experiment",
    "complete_metric",
    "complete_model",
    "complete_run",
    "examples",
    "reads",
    "require_store",
    "writes",
]

Command = TypeVar("Command", bound=Callable[..., Any])

EPILOG = """
\b
Examples:
  chachaml runs                            the newest runs of ./chachaml.db
  chachaml search "metrics.loss < 0.1"     those that meet a filter
  chachaml show 3f9a1c42                   one run in full
  chachaml compare 3f9a1c42 77d0e5b1       runs side by side
  chachaml plot 3f9a1c42 loss --log        a curve, here in the terminal
  chachaml runs -e digits --json | jq '.runs[].name'

\b
JSON is strict: NaN and infinities are the strings "NaN", "Infinity" and "-Infinity".
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 store unusable.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option("--store", metavar="PATH", help="The store; else as it is set; else ./chachaml.db.")
@click.version_option(package_name="chachaml", message="%(package)s %(version)s")
@click.pass_context
def cli(context: click.Context, store: str | None) -> None:
    """Find machine-learning runs again, look at them, put them right, and keep their store healthy."""
    context.obj = store


class Listing(click.Group):
    """A group that lists when nothing is said: ``chachaml models`` is ``chachaml models ls``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in where there is none."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


def examples(*lines: str) -> str:
    """Return `lines` as a help text's last paragraph, kept as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def reads(command: Command) -> Command:
    """Add the options that every command has which reads a store: ``--store`` and ``--json``."""
    return _of_store(command, _connect)


def writes(command: Command) -> Command:
    """Add them to a command that may make the store."""
    return _of_store(command, _connect_or_make)


def _of_store(command: Command, connect: Callable[..., None]) -> Command:
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)
    return click.option(
        "--store",
        metavar="PATH",
        expose_value=False,
        callback=connect,
        help="The store; else as it is set; else ./chachaml.db.",
    )(command)


def _connect(context: click.Context, option: click.Parameter, store: str | None) -> None:
    _connect_or_make(context, option, store)
    if not context.resilient_parsing:
        require_store(context.obj)


def _connect_or_make(context: click.Context, _option: click.Parameter, store: str | None) -> None:
    if not context.resilient_parsing:
        context.obj = settings.store_path(store or context.obj)
        ml.connect(context.obj)


def require_store(path: Path) -> None:
    """Refuse to go on without a store: a command that reads must not make an empty one.

    Raises:
        StoreUnavailable: There is none.
    """
    if settings.is_elsewhere(path):
        return
    if not path.exists() and not settings.journals_beside(path).exists():
        raise StoreUnavailable(
            f"there is no store at {path_text(path)}",
            "go to the folder where the runs were logged, or say where it is: chachaml --store PATH ...",
        )


# completion ---------------------------------------------------------------------------------------


def complete_run(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the newest runs by their short ids."""
    return _offer(
        context, begun, lambda: [(run.short_id, f"{run.name}, {run.status}") for run in ml.runs(limit=50)]
    )


def complete_experiment(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the experiments."""
    return _offer(context, begun, lambda: [(one.name, f"{one.runs} runs") for one in ml.experiments()])


def complete_metric(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the metrics of the newest runs."""
    return _offer(
        context, begun, lambda: [(key, "") for key in sorted({k for r in ml.runs() for k in r.metrics})]
    )


def complete_model(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the models."""
    return _offer(
        context, begun, lambda: [(one.name, f"{one.versions} versions") for one in ml.registry.models()]
    )


def _offer(
    context: click.Context, begun: str, known: Callable[[], list[tuple[str, str]]]
) -> list[CompletionItem]:
    """Return what is known and fits; a shell that waits for completions wants no errors."""
    outer = context.find_root().params.get("store")
    path = settings.store_path(context.params.get("store") or outer)
    if not path.exists() and not settings.is_elsewhere(path):
        return []
    try:
        ml.connect(path)
        return [CompletionItem(word, help=about) for word, about in known() if word.startswith(begun)]
    except ChachamlError:
        return []
