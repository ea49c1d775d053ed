"""Run the benchmarks and write RESULTS.md: ``python -m benchmarks.run [--quick] [--only ...]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.environments import ROOT, installed_size, pins, python_of
from benchmarks.processes import Bench
from benchmarks.report import Section, machine, page

__all__ = ["SUBJECTS", "main", "measure"]

SUBJECTS = (
    "limits",
    "log_call",
    "long_series",
    "start",
    "crash",
    "writers",
    "many_runs",
    "searching",
    "artifacts",
    "models",
    "serving",
    "mlflow_api",
    "pages",
    "paints",
    "agents",
    "postgres",
    "growth",
    "buckets",
)
SERVERS = ("FastTrackML",)
RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; return 0 even if a target is missed, for the page says so."""
    options = _options(arguments)
    bench = _quick() if options.quick else _full(options.peers)
    sections = measure(bench, options.only)
    tools = [f"{tool} {_version(python, tool)}" for tool, python in (bench.pythons | bench.servers).items()]
    text = page(_command(options), machine(Path(tempfile.gettempdir())), tools, sections, bench.failures)
    options.output.write_text(text)
    print(f"written to {options.output.name}", file=sys.stderr)
    return 0


def measure(bench: Bench, subjects: list[str]) -> list[Section]:
    """Measure the subjects, in their order."""
    sections = []
    for subject in subjects:
        print(f"measuring {subject} ...", file=sys.stderr)
        sections.append(import_module(f"benchmarks.{subject}").measure(bench))
    return sections


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small numbers, chachaml alone: does it all work?"
    )
    parser.add_argument("--only", type=NamesOf(SUBJECTS), default=list(SUBJECTS), help="subjects, by comma")
    parser.add_argument("--peers", type=NamesOf(tuple(pins())), default=list(pins()), help="peers, by comma")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the page to write")
    return parser.parse_args(arguments)


class NamesOf:
    """Takes names separated by commas, each one of `known`."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known

    def __call__(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := [name for name in names if name not in self.known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(self.known)}")
        return names


def _command(options: argparse.Namespace) -> str:
    """Return the command that does this again; where the page goes is left out."""
    command = ["python -m benchmarks.run"]
    if options.quick:
        command.append("--quick")
    if options.only != list(SUBJECTS):
        command.append("--only " + ",".join(options.only))
    if options.peers != list(pins()):
        command.append("--peers " + ",".join(options.peers))
    return " ".join(command)


def _quick() -> Bench:
    return Bench({"chachaml": Path(sys.executable)}, quick=True)


def _full(peers: list[str]) -> Bench:
    bench = Bench({})
    for tool in ["chachaml", *peers]:
        print(f"preparing {tool} ...", file=sys.stderr)
        with bench.reporting(tool, "installation"):
            (bench.servers if tool in SERVERS else bench.pythons)[tool] = python_of(tool)
    return bench


def _version(python: Path, tool: str) -> str:
    return installed_size(python).versions.get(tool, "(working tree)")


if __name__ == "__main__":
    sys.exit(main())
