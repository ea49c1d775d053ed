"""What moving did, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.words import count, safe, size

if TYPE_CHECKING:
    from chachaml.moving.account import Moved

__all__ = ["moved_text"]

MOST_LEFT = 12


def moved_text(moved: Moved) -> str:
    """Return how much was carried, and what was not and why."""
    verb = "would be carried" if moved.dry_run else "carried"
    lines = [f"{count(moved.runs, 'run')} {verb} from {safe(moved.source)} to {safe(moved.target)}"]
    held = [count(number, noun) for noun, number in _contents(moved) if number]
    lines += [f"  with {', '.join(held)}"] if held else []
    lines += [f"  {size(moved.bytes)} of artifacts"] if moved.bytes else []
    lines += [f"  {count(moved.unchanged, 'run')} there before, and the same"] if moved.unchanged else []
    for one in moved.left[:MOST_LEFT]:
        times = f" ({one.count:,} times)" if one.count > 1 else ""
        lines.append(f"  not carried: {safe(one.what)} {safe(one.name)}: {safe(one.why)}{times}")
    if len(moved.left) > MOST_LEFT:
        lines.append(f"  ... and {count(len(moved.left) - MOST_LEFT, 'more thing')} not carried, see .left")
    if moved.verified is not None:
        lines.append(
            "  read again, and the same" if moved.verified else "  READ AGAIN, AND NOT THE SAME: see above"
        )
    return "\n".join(lines)


def _contents(moved: Moved) -> list[tuple[str, int]]:
    return [
        ("param", moved.params),
        ("metric", moved.metrics),
        ("point", moved.points),
        ("artifact", moved.artifacts),
        ("model", moved.models),
        ("version", moved.versions),
    ]
