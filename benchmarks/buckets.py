"""One large artifact into a bucket and back, beside the object store's own client on the same file."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering

__all__ = ["measure", "ours", "theirs"]

ROUNDS = 2
_WHO = {"theirs": "obstore", "ours": "chachaml"}


def measure(bench: Bench) -> Section:
    """Measure both ways, each in processes of its own, in turn."""
    size = bench.n(1 << 30, 20 << 20)
    section = Section(
        "Artifacts in a bucket",
        "One file into a bucket of SeaweedFS on this machine and back into a file: over TLS, as object "
        "stores are reached, and in plain HTTP, where chachaml too hashes what it sends to sign it. Beside "
        "it obstore, which is what chachaml asks, with its defaults: one upload in many parts, one "
        f"download, no digest. The best of {ROUNDS} turns. What chachaml takes begins with `log_file` and "
        "ends when `flush` returns.",
    )
    rows = []
    for how, tls in (("TLS", True), ("plain HTTP", False)):
        best = _turns(bench, size, tls=tls)
        rows += [_row(f"{name}, {how}", best[who], size) for who, name in _WHO.items()]
        section.targets += _targets(how, best)
    head = [f"{size / 1e6:,.0f} MB", "up, MB/s", "down, MB/s", "memory, MB"]
    section.tables.append(Table(head, rows))
    return section


def _turns(bench: Bench, size: int, *, tls: bool) -> dict[str, Result]:
    """Return the best times of each, and its highest peak."""
    from tests.buckets.store import seaweed

    # obstore is not among what chachaml needs, so this is measured where the tests run.
    here = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
    best: dict[str, Result] = {}
    with bench.folder() as folder:
        store = seaweed(folder / "seaweed", tls=tls)
        try:
            for who in tuple(_WHO) * bench.n(ROUNDS, 1):
                with bench.folder() as work:
                    place = {"url": f"{store.url}/{who}", "given": store.environment}
                    found = here.work(work, f"buckets.{who}", size=size, **place)
                known = best.get(who, found)
                best[who] = {way: min(found[way], known[way]) for way in ("up", "down")}
                best[who]["peak"] = max(found["peak"], known["peak"])
        finally:
            store.stop()
    return best


def _row(name: str, found: Result, size: int) -> list[str]:
    return [
        name,
        *(engineering(size / 1e6 / found[way]) for way in ("up", "down")),
        engineering(found["peak"] / 1e6),
    ]


def _targets(how: str, best: dict[str, Result]) -> list[Target]:
    theirs, ours = best["theirs"], best["ours"]

    def share(way: str) -> float:
        return 100 * float(theirs[way]) / float(ours[way])

    return [
        Target(f"large artifact into a bucket, {how}, part of obstore's speed", share("up"), 80, "%", True),
        Target(f"large artifact from a bucket, {how}, part of obstore's speed", share("down"), 80, "%", True),
        Target(f"large artifact in a bucket, {how}, memory of the process", ours["peak"] / 1e6, 150, "MB"),
    ]


def _file(folder: Path, size: int) -> Path:
    path = folder / "large.bin"
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    os.sync()  # nothing is to be written for its sake while others are timed
    return path


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def theirs(folder: Path, tool: str, url: str, given: dict[str, str], size: int) -> Result:
    """Time obstore alone."""
    import obstore
    from obstore.store import S3Store

    os.environ.update(given)
    bucket, prefix = url.removeprefix("s3://").split("/")
    store = S3Store(
        bucket,
        prefix=prefix,
        config={"endpoint": given["AWS_ENDPOINT_URL"], "virtual_hosted_style_request": False},
        client_options={"allow_http": True},
    )
    path = _file(folder, size)
    begin = perf_counter()
    obstore.put(store, "large.bin", path)
    up = perf_counter() - begin
    begin = perf_counter()
    with (folder / "back.bin").open("wb") as file:
        for piece in obstore.get(store, "large.bin"):
            file.write(piece)
    return {"up": up, "down": perf_counter() - begin, "peak": _peak()}


def ours(folder: Path, tool: str, url: str, given: dict[str, str], size: int) -> Result:
    """Time chachaml."""
    import chachaml as ml

    os.environ.update(given)
    path = _file(folder, size)
    ml.connect(folder / "runs.db", artifacts=f"{url}/{os.getpid()}")
    with ml.start_run() as run:
        begin = perf_counter()
        ml.log_file(path)
        ml.flush()
        up = perf_counter() - begin
    begin = perf_counter()
    ml.download_artifact(run, path.name, folder / "back.bin")
    return {"up": up, "down": perf_counter() - begin, "peak": _peak()}
