"""Rules of retention, what they do, and who uses how much, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.words import count, pad, safe, size

if TYPE_CHECKING:
    from chachaml.accounting import Usage, Used
    from chachaml.retention import Report, Rule

__all__ = ["retention_text", "rule_text", "usage_text"]

_MOST_RUNS, _MOST_NAMES = 50, 20


def rule_text(rule: Rule) -> str:
    """Return a rule in a line."""
    facts = [safe(rule.experiment) if rule.experiment else "all experiments without a rule of their own"]
    facts += [f"where {safe(rule.filter)}"] if rule.filter else []
    if rule.archive_after_days is not None:
        facts.append(f"archived {rule.archive_after_days:g} days after the end")
    if rule.delete_after_days is not None:
        facts.append(f"deleted {rule.delete_after_days:g} days after being archived")
    if rule.keep_best:
        best = "best one" if rule.keep_best == 1 else f"{rule.keep_best} best"
        facts.append(f"but for the {best} by {safe(rule.metric or '')} ({rule.direction})")
    return f"<rule {safe(rule.name)}: {', '.join(facts)}>"


def retention_text(report: Report) -> str:
    """Return what rules did or would do, and the runs, with why."""
    would = "would be " if report.dry_run else ""
    back = f"; {size(report.bytes)} {'would come' if report.dry_run else 'came'} back" if report.bytes else ""
    lines = [
        f"{count(report.archived, 'run')} {would}archived, {report.deleted:,} {would}deleted, "
        f"{report.kept:,} kept{back}"
    ]
    for one in report.runs[:_MOST_RUNS]:
        about = f"{pad(one.action, 7)}  {one.run[-8:]}  {safe(one.experiment)}/{safe(one.name)}"
        lines.append(f"  {about}: {safe(one.why)} (rule {safe(one.rule)})")
    if report.more or len(report.runs) > _MOST_RUNS:
        lines.append("  ... and more, see .runs, or ask with a higher limit")
    return "\n".join(lines)


def usage_text(usage: Usage) -> str:
    """Return who uses how much, by user and by experiment."""
    head = ["", "runs", "points", "size", "artifacts", "size", "printed", "together"]
    rows = [head]
    for title, some in (("user", usage.users), ("experiment", usage.experiments)):
        rows += [[title, *[""] * 7], *map(_row, some[:_MOST_NAMES])]
        if len(some) > _MOST_NAMES:
            rows.append([f"  ... and {len(some) - _MOST_NAMES} more", *[""] * 7])
    rows += [["all", *_row(usage.total)[1:]]]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(used: Used) -> list[str]:
    sizes = size(used.point_bytes), size(used.artifact_bytes), size(used.console_bytes), size(used.bytes)
    counts = f"{used.runs:,}", f"{used.points:,}", f"{used.artifacts:,}"
    name = f"  {safe(used.name) or '(nobody)'}"
    return [name, counts[0], counts[1], sizes[0], counts[2], sizes[1], *sizes[2:]]


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = row
    cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
    return "  ".join([pad(first, widths[0]), *cells]).rstrip()
