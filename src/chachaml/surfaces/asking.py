"""The command that asks: the answer comes as it is written; what would change something is asked about."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, get_args

import click

from chachaml import chat
from chachaml.chat import answers
from chachaml.chat.providers import ProviderName
from chachaml.surfaces import output
from chachaml.surfaces.commands import cli, examples, reads

__all__: list[str] = []

_WHY = {
    "rounds": "it stopped looking things up after {iterations} rounds; CHACHAML_CHAT_ROUNDS allows more",
    "tokens": "it used up its {total:,} tokens; CHACHAML_CHAT_TOKENS allows more",
    "length": "the model broke off: the answer is longer than it writes at once",
    "refused": "the model did not want to answer this",
}


@cli.command(
    epilog=examples(
        'chachaml ask "Which run in iris has the best accuracy?"',
        'chachaml ask "Why did 3f9a1c42 fail?" --provider anthropic',
        'chachaml ask "What changed since the run before?" --provider offline --json | jq -r .answer',
    )
)
@click.argument("question", nargs=-1, required=True)
@click.option("--provider", type=click.Choice(get_args(ProviderName)), help="Whom to ask; offline: nobody.")
@click.option("--model", metavar="NAME", help="Which model; else as it is set for the provider.")
@reads
def ask(question: tuple[str, ...], provider: str | None, model: str | None, as_json: bool) -> None:
    """Ask about the runs in plain words.

    A language model looks things up in the store and answers; the question, and what it looks up, go to its
    provider. Its key is in ANTHROPIC_API_KEY, OPENAI_API_KEY or the keyring; CHACHAML_CHAT_URL is a server
    of yours. Without any of these, common questions are understood as queries.
    """
    teller = _Teller()
    found = chat.ask(
        " ".join(question),
        provider=provider,
        model=model,
        approve=_approve if sys.stdin.isatty() and not as_json else None,
        on_event=None if as_json else teller.tell,
    )
    if as_json:
        output.print_json(found)


def _approve(name: str, arguments: Mapping[str, Any]) -> bool:
    click.echo(err=True)
    return click.confirm(f"{output.printable(_call(name, arguments))}\nDo this?", err=True)


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}"


class _Teller:
    """Prints the answer as it comes; what is done for it goes to standard error."""

    def __init__(self) -> None:
        self._line_open = False

    def tell(self, event: answers.Event) -> None:
        """Print what an event says."""
        match event:
            case answers.Asked(provider=provider, model=model) if model:
                self._note(f"asking {provider}, {model}")
            case answers.Text(text=text):
                self._say(text)
            case answers.CallStarted(name=name, arguments=arguments):
                self._note(_call(name, arguments))
            case answers.CallFinished(error=error) if error:
                self._note(error)
            case answers.Done(answer=answer):
                self._end(answer)

    def _say(self, text: str) -> None:
        # By its lines, of which the last one may still go on.
        shown = "\n".join(output.printable(line) if line else "" for line in text.split("\n"))
        click.echo(shown, nl=False)
        sys.stdout.flush()
        self._line_open = not shown.endswith("\n")

    def _note(self, text: str) -> None:
        self._break()
        click.echo(output.paint_for(sys.stderr)(output.printable(text), "dim"), err=True)

    def _break(self) -> None:
        if self._line_open:
            click.echo()
            self._line_open = False

    def _end(self, answer: answers.Answer) -> None:
        self._break()
        if why := _WHY.get(answer.stopped):
            self._note(why.format(iterations=answer.iterations, total=answer.tokens.total))
        if answer.model:
            calls = f"{len(answer.calls)} call{'' if len(answer.calls) == 1 else 's'}"
            self._note(f"{calls}, {answer.tokens.input:,} tokens in, {answer.tokens.output:,} out")
