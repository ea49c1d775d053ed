"""The command line: `main` runs it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import click

from chachaml.core.errors import ChachamlError, ChachamlWarning
from chachaml.display import SIGNS
from chachaml.surfaces import (
    administering,
    agents,
    alerting,
    asking,
    changing,
    importing,
    keeping,
    looking,
    modelling,
    moving,
    output,
    serving,
    upkeep,
    working,
)
from chachaml.surfaces.commands import cli

__all__ = ["cli", "main"]

ROOMS = (
    looking,
    asking,
    changing,
    modelling,
    working,
    alerting,
    keeping,
    upkeep,
    moving,
    importing,
    serving,
    agents,
    administering,
)
"""Where the commands are; importing them is what adds them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # A stream that cannot carry a character is no reason to fail, or to be hard to read.
    for stream in (sys.stdout, sys.stderr):
        if callable(reconfigure := getattr(stream, "reconfigure", None)):
            reconfigure(errors=SIGNS)
    with warnings.catch_warnings():
        warnings.simplefilter("always", ChachamlWarning)
        warnings.showwarning = output.print_warning
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    if instruction := os.environ.get("_CHACHAML_COMPLETE"):  # a shell asks what to complete
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "chachaml", "_CHACHAML_COMPLETE", instruction)
    try:
        code = cli.main(arguments, prog_name="chachaml", standalone_mode=False)
    except click.Abort:  # Ctrl-C, or no to a question
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ChachamlError as error:
        output.tell(error)
        return output.exit_code(error)
    return code if isinstance(code, int) else 0
