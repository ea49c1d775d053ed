"""The benchmarks work, in their quick form; how fast anything is depends on the machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from benchmarks import first_five, readme, run
from benchmarks.environments import pins
from benchmarks.processes import Bench, WorkFailed
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools.leveldb_log import records


@pytest.fixture
def bench() -> Bench:
    return Bench({"chachaml": Path(sys.executable)}, quick=True)


def test_the_page_shows_machine_targets_and_tables(tmp_path: Path) -> None:
    output = tmp_path / "RESULTS.md"
    assert run.main(["--quick", "--only", "limits,log_call", "--output", str(output)]) == 0
    text = output.read_text()
    for heading in ("# Benchmark results", "## Targets", "## Limits", "## One log call"):
        assert f"{heading}\n" in text
    assert "## What failed" not in text
    assert "`os.write` of 24 bytes" in text
    assert str(tmp_path.parent) not in text
    for table in _tables(text):
        assert len({line.count("|") for line in table}) == 1, table


@pytest.mark.parametrize(
    "subject",
    [
        "long_series",
        "crash",
        "many_runs",
        "searching",
        "artifacts",
        "buckets",
        "models",
        "serving",
        "mlflow_api",
        "pages",
        "paints",
        "agents",
    ],
)
def test_nothing_is_lost_or_fails_on_the_way(subject: str, bench: Bench) -> None:
    (section,) = run.measure(bench, [subject])
    assert bench.failures == []
    assert section.tables
    assert all(all(len(row) == len(table.head) for row in table.rows) for table in section.tables)
    assert all(target.met for target in section.targets if "lost" in target.what)


def test_eight_processes_lose_and_double_nothing(bench: Bench) -> None:
    (section,) = run.measure(bench, ["writers"])
    assert bench.failures == []
    assert [target.measured for target in section.targets] == [0, 0]


def test_a_process_that_fails_is_reported(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="no_such_function"):
        bench.work(tmp_path, "crash.no_such_function")
    with bench.reporting("chachaml", "a bad call"):
        bench.work(tmp_path, "crash.no_such_function")
    assert len(bench.failures) == 1
    assert bench.failures[0].startswith("chachaml, a bad call: ")


def test_a_missed_target_says_so() -> None:
    assert Target("disk", 7.0, 8, "bytes").cells() == ["disk", "7.00 bytes", "<= 8 bytes", "yes"]
    assert Target("disk", 9.0, 8).cells()[-1] == "**no**"
    assert Target("rate", 9.0, 8, at_least=True).met


def test_tables_are_markdown() -> None:
    table = Table(["tool", "ms"], [["chachaml", engineering(1234.5)]], "A note.")
    assert table.markdown() == "| tool | ms |\n| --- | --: |\n| chachaml | 1,234 |\n\nA note."
    assert Section("Title", "about").tables == []


def test_every_peer_has_a_pinned_version() -> None:
    assert len(pins()) == 7
    assert all("==" in pin for pin in pins().values())


def test_unknown_subjects_and_peers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "limits,nothing"])
    assert "'nothing' is none of" in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError):
        run.NamesOf(("a", "b"))("c")


def test_a_torn_log_reads_up_to_the_tear(tmp_path: Path) -> None:
    import struct
    import zlib

    def record(data: bytes) -> bytes:
        return struct.pack("<IHB", zlib.crc32(data, zlib.crc32(b"\1")), len(data), 1) + data

    log = tmp_path / "log"
    log.write_bytes(b":W&B" + bytes(3) + record(b"one") + record(b"two") + record(b"three")[:-1])
    assert list(records(log)) == [b"one", b"two"]


def _tables(text: str) -> list[list[str]]:
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return [block for block in blocks if block[0].startswith("|")]


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.stem)
def test_pages_quote_the_results(page: Path) -> None:
    results, first = readme.RESULTS.read_text(), readme.FIRST_FIVE.read_text()
    text = page.read_text()
    assert "<!-- figures -->" in text
    assert "failed" not in readme.block(results)
    assert text == readme.written(text, results, first), "python -m benchmarks.readme writes them anew"


def test_the_first_five_minutes_end_with_the_curve(tmp_path: Path) -> None:
    tool = first_five.TOOLS["chachaml"]
    venv = tmp_path / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "chachaml").symlink_to(Path(sys.executable).parent / "chachaml")
    (tmp_path / "train.py").write_text(tool.train)
    _, printed = first_five._timed(tmp_path, Path(sys.executable), "train.py")
    assert 0 < first_five._until_it_shows(tool, tmp_path, printed.split()[-1]) < first_five.PATIENCE
