"""Commands of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from chachaml.alerts import Preview
from chachaml.core.ids import short
from chachaml.display.words import count, safe
from chachaml.ops import alerts
from chachaml.results import Lines
from chachaml.surfaces import output
from chachaml.surfaces.commands import Listing, cli, examples
from chachaml.surfaces.generating import command

__all__: list[str] = []


@cli.group("alerts", cls=Listing, epilog=examples("chachaml alerts", "chachaml alerts check"))
def group() -> None:
    """List alerts, set them, switch them, and see what they told."""


def _print_lines(found: Sequence[Any]) -> None:
    click.echo(Lines(found))


def _print_preview(found: Preview) -> None:
    click.echo(f"{found.condition}: {len(found.fires):,} of {count(found.runs, 'run')}")
    for one in found.fires:
        still = "" if one.still else ", for a while"
        click.echo(f"{short(one.run)}  {safe(one.name)}  {safe(one.text)}{still}")


def _print_checked(done: alerts.Checked) -> None:
    click.echo(
        f"checked {done.checked}, fired {len(done.fired)}, skipped {done.skipped}, "
        f"delivered {done.delivered}, failed {done.failed}"
    )
    for event in done.fired:
        click.echo(repr(event))


command(
    group, alerts.list_alerts, "ls", show=_print_lines, epilog="chachaml alerts\nchachaml alerts --inactive"
)
command(
    group,
    alerts.set_alert,
    "set",
    "name",
    show=click.echo,
    epilog="""\
chachaml alerts set accuracy-drop -e iris --metric accuracy --op "<" --threshold 0.9
chachaml alerts set broken --metric loss --nan --level error
chachaml alerts set failed --status failed --webhook-url https://hooks.slack.com/services/...""",
)
command(
    group,
    alerts.preview_alert,
    "preview",
    show=_print_preview,
    epilog="""\
chachaml alerts preview -e iris --metric accuracy --op "<" --threshold 0.9
chachaml alerts preview --status failed""",
)
command(group, alerts.try_alert, "try", "name", show=_print_lines, epilog="chachaml alerts try accuracy-drop")
command(group, alerts.check_alerts, "check", show=_print_checked, epilog="chachaml alerts check")
command(
    group,
    alerts.get_alert_history,
    "history",
    "name",
    show=_print_lines,
    epilog="chachaml alerts history\nchachaml alerts history accuracy-drop -n 5 --json",
)
command(
    group,
    alerts.switch_alert,
    "switch",
    "name",
    "state",
    show=click.echo,
    epilog="chachaml alerts switch accuracy-drop off",
)
command(
    group,
    alerts.mute_alert,
    "mute",
    "name",
    show=click.echo,
    epilog="chachaml alerts mute accuracy-drop --minutes 30\nchachaml alerts mute accuracy-drop --minutes 0",
)
command(
    group,
    alerts.delete_alert,
    "delete",
    "name",
    show=output.print_report,
    epilog="chachaml alerts delete accuracy-drop",
)
