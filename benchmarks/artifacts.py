"""Artifacts: many small ones, and one large file beside `cp` and `sha256sum`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["large", "measure", "small"]

SMALL = 2_000
"""Bytes of a small artifact."""


def measure(bench: Bench) -> Section:
    """Measure chachaml, and peers with many small ones."""
    section = Section(
        "Artifacts",
        f"Small: files of {SMALL:,} bytes, each different, into one run. Large: one file; "
        "beside it `cp` and `sha256sum` one after the other on the same file.",
    )
    count, size = bench.n(10_000, 50), bench.n(1 << 30, 1 << 20)
    with bench.folder() as folder:
        rate = count / bench.work(folder, "artifacts.small", n=count)["seconds"]
    rows = [["chachaml", f"{count:,}", engineering(rate), "1"]]
    for tool in bench.peers:
        if tool in ("mlflow",):
            some = bench.n(300, 5)
            with bench.reporting(tool, "artifacts"), bench.folder() as folder:
                theirs = some / bench.work(folder, "artifacts.small", tool, n=some)["seconds"]
                rows.append([tool, f"{some:,}", engineering(theirs), engineering(rate / theirs)])
    section.tables.append(Table(["tool", "artifacts", "a second", "chachaml over it"], rows))
    with bench.folder() as folder:
        found = bench.work(folder, "artifacts.large", size=size)
    share = (found["cp"] + found["sha256sum"]) / found["chachaml"]
    seconds = [engineering(found[what]) for what in ("cp", "sha256sum", "chachaml")]
    peak = found["peak"] / 1e6
    head = ["one file", "cp, s", "sha256sum, s", "chachaml, s", "memory of the process, MB"]
    section.tables.append(Table(head, [[f"{size / 1e6:,.0f} MB", *seconds, engineering(peak)]]))
    section.targets += [
        Target(f"small artifacts a second, {count:,}", rate, 2000, "", True),
        Target("large file, part of cp plus sha256sum", 100 * share, 60, "%", True),
        Target("large file, memory of the process", peak, 100, "MB"),
    ]
    return section


def small(folder: Path, tool: str, n: int) -> Result:
    """Time logging `n` small files."""
    adapter: Any = load(tool, folder)
    texts = [f"{number:09}" * (SMALL // 9) for number in range(n)]
    adapter.start("artifacts")
    if tool == "mlflow":
        log = lambda name, text: adapter.mlflow.log_text(text, name)  # noqa: E731
    else:
        log = adapter.run.log_text
    begin = perf_counter()
    for number, text in enumerate(texts):
        log(f"part-{number}.txt", text)
    adapter.finish()
    return {"seconds": perf_counter() - begin}


def large(folder: Path, tool: str, size: int) -> Result:
    """Time one large file: copied, hashed, logged."""
    import resource

    adapter: Any = load(tool, folder)
    source = folder / "large.bin"
    with source.open("wb") as file:
        block = bytes(range(256)) * 4096
        for number in range(max(size // len(block), 1)):
            file.write(number.to_bytes(8, "little") + block[8:])
    spent = {}
    for what, command in (
        ("cp", ["cp", str(source), str(folder / "copy")]),
        ("sha256sum", ["sha256sum", str(source)]),
    ):
        begin = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        spent[what] = perf_counter() - begin
    (folder / "copy").unlink()
    adapter.start("large")
    begin = perf_counter()
    adapter.run.log_file(source)
    spent["chachaml"] = perf_counter() - begin
    adapter.finish()
    return {**spent, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
