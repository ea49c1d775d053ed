"""What the subjects return, and the page that shows it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

__all__ = ["Section", "Table", "Target", "engineering", "machine", "page"]


@dataclass(frozen=True)
class Target:
    """One figure of chachaml and the bound that it must keep."""

    what: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps the bound; a figure that could not be measured (NaN) does not."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def cells(self) -> list[str]:
        """Return the row of the table of targets."""
        sign = ">=" if self.at_least else "<="
        unit = f" {self.unit}" if self.unit else ""
        bound = f"{sign} {self.bound:,g}{unit}"
        return [
            self.what,
            engineering(self.measured) + ("" if isnan(self.measured) else unit),
            bound,
            "yes" if self.met else "**no**",
        ]


@dataclass(frozen=True)
class Table:
    """A table of one subject: the first column names the tool or the thing."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """Return the table in Markdown, numbers to the right."""
        lines = [self.head, ["---", *["--:"] * (len(self.head) - 1)], *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{table}\n\n{self.note}" if self.note else table


@dataclass
class Section:
    """What a subject found."""

    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


def engineering(number: float) -> str:
    """Return a number with three digits that matter, and thousands apart."""
    if isnan(number):
        return "failed"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return (
        f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}" if abs(number) >= 0.1 else f"{number:.3g}"
    )


def machine(folder: Path) -> list[str]:
    """Return what this machine is, in words, without its name; `folder` tells the file system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return [
        f"{os.cpu_count()} cores, {_cpu_model()}",
        f"{memory:.0f} GiB of memory",
        f"{_file_system(folder)} for the temporary folders that everything is written to",
        f"{platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}",
    ]


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
    ]
    return names[0] if names else platform.processor() or "model unknown"


def _file_system(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    fits = [(len(at), kind) for at, kind in mounts if folder.resolve().is_relative_to(at)]
    return max(fits)[1] if fits else "unknown"


def page(
    command: str, where: list[str], tools: list[str], sections: list[Section], failures: list[str]
) -> str:
    """Return the whole page of results."""
    targets = [target.cells() for section in sections for target in section.targets]
    missed = sum(not target.met for section in sections for target in section.targets)
    parts = [
        "# Benchmark results",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}; do not edit. "
        "All figures are from this one run.",
        "\n".join(f"- {line}" for line in where),
        "Tools, each in an environment of its own: " + ", ".join(tools) + ".",
        "## Targets",
        f"{len(targets) - missed} of {len(targets)} met.",
        Table(["figure of chachaml", "measured", "target", "met"], targets).markdown(),
    ]
    for section in sections:
        parts += [f"## {section.title}", section.about, *(table.markdown() for table in section.tables)]
    if failures:
        parts += ["## What failed", "\n".join(f"- {failure}" for failure in failures)]
    return "\n\n".join(parts) + "\n"
