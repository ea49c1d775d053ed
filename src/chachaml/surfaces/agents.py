"""The command that serves a store to language models: mcp."""

from __future__ import annotations

import click

import chachaml as ml
from chachaml.core import settings
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.surfaces.commands import cli, examples, require_store

__all__: list[str] = []


@cli.command(
    epilog=examples(
        "chachaml mcp",
        "chachaml mcp runs.db --allow-write",
        "chachaml mcp https://tracker.example",
    )
)
@click.argument("store", required=False)
@click.option(
    "--allow-write",
    is_flag=True,
    help="Let it promote models, set alerts, archive and move runs; and delete, when you say yes to it.",
)
@click.pass_obj
def mcp(outer: str | None, store: str | None, allow_write: bool) -> None:
    """Serve a store to a language model's client, by the Model Context Protocol.

    The client starts this command and talks to it through its input and output. It may read everything, and
    add tags, notes and experiments.
    """
    path = settings.store_path(store or outer)
    if settings.spool_folder(path):
        raise BadValue("a spool is only written to", f"chachaml sync {settings.spool_folder(path)} first")
    require_store(path)
    try:
        from chachaml.surfaces.mcp.stdio import serve
    except ImportError:
        raise MissingExtra(
            "serving language models needs mcp, which is not installed", "pip install 'chachaml[agents]'"
        ) from None
    where = ml.connect(path)
    try:
        serve(where, "delete" if allow_write else "annotate")
    finally:
        where.close()
