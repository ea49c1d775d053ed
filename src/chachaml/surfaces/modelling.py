"""Commands of the model registry: models and promote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

import chachaml as ml
from chachaml.display import lineage_text, model_text
from chachaml.ops import models
from chachaml.registered import Lineage, Model, ModelVersion
from chachaml.results import Lines
from chachaml.surfaces import output
from chachaml.surfaces.commands import Listing, cli, examples
from chachaml.surfaces.generating import command

__all__: list[str] = []


@cli.group("models", cls=Listing, epilog=examples("chachaml models", "chachaml models show iris"))
def registry() -> None:
    """List models, look at them, name them and delete them."""


def _print_models(found: Sequence[Model]) -> None:
    shown = ("name", "versions", "production", "created", "created_by", "description")
    columns = {name: [getattr(one, name) for one in found] for name in shown}
    click.echo(output.table(ml.Table(columns, length=len(found))))


def _print_detail(detail: models.ModelDetail) -> None:
    _print_model(detail.model)
    _print_lines(detail.versions)


def _print_model(model: Model) -> None:
    click.echo(model_text(model, paint=output.paint_for(sys.stdout)))


def _print_version(version: ModelVersion) -> None:
    click.echo(repr(version))


def _print_lines(found: Sequence[Any]) -> None:
    click.echo(Lines(found))


def _print_lineage(found: Lineage) -> None:
    click.echo(lineage_text(found, paint=output.paint_for(sys.stdout)))


command(registry, models.list_models, "ls", show=_print_models, epilog="chachaml models ls")
command(
    registry, models.get_model, "show", "model_name", show=_print_detail, epilog="chachaml models show iris"
)
command(
    registry,
    models.get_model_version,
    "version",
    "model_name",
    "version",
    show=_print_version,
    epilog="chachaml models version iris 3\nchachaml models version iris --alias champion",
)
command(
    registry,
    models.get_model_history,
    "history",
    "model_name",
    show=_print_lines,
    epilog="chachaml models history iris",
)
command(
    registry,
    models.get_model_lineage,
    "lineage",
    "model_name",
    "version",
    show=_print_lineage,
    epilog="chachaml models lineage iris 3",
)
command(
    registry,
    models.diff_model_versions,
    "diff",
    "model_name",
    "v1",
    "v2",
    show=click.echo,
    epilog="chachaml models diff iris 2 3",
)
command(
    registry,
    models.register_model,
    "register",
    "model_name",
    "run_id",
    "artifact",
    show=_print_version,
    epilog="chachaml models register iris 3f9a1c42 model --stage staging",
)
command(
    registry,
    models.set_model_alias,
    "alias",
    "model_name",
    "alias",
    "version",
    show=_print_version,
    epilog="chachaml models alias iris champion 3",
)
command(
    registry,
    models.delete_model_alias,
    "unalias",
    "model_name",
    "alias",
    show=_print_model,
    epilog="chachaml models unalias iris champion",
)
command(
    registry,
    models.describe_model,
    "describe",
    "model_name",
    show=_print_model,
    epilog="chachaml models describe iris --description 'Which iris?' --note '# Why'",
)
command(
    registry,
    models.rename_model,
    "rename",
    "model_name",
    "new_name",
    show=_print_model,
    epilog="chachaml models rename iris flowers",
)
command(
    registry,
    models.roll_back_model,
    "roll-back",
    "model_name",
    show=_print_version,
    epilog="chachaml models roll-back iris --comment 'too slow'",
)
command(
    registry,
    models.delete_model_version,
    "delete-version",
    "model_name",
    "version",
    show=output.print_report,
    epilog="chachaml models delete-version iris 2",
    ask="Delete this version for good?",
)
command(
    registry,
    models.delete_model,
    "delete",
    "model_name",
    show=output.print_report,
    epilog="chachaml models delete iris",
    ask="Delete this model with all of its versions for good?",
)
command(
    cli,
    models.promote_model,
    "promote",
    "model_name",
    "version",
    "stage",
    show=_print_version,
    epilog="chachaml promote iris 3\nchachaml promote iris 3 staging --comment 'for the demo'",
)
