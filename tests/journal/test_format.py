"""The journal's format is public: what is written must stay readable, byte for byte."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chachaml.core.changes import (
    JournalInfo,
    ParamsLogged,
    PointsLogged,
    RunEnded,
    RunError,
    RunJoined,
    RunResumed,
    RunStarted,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.errors import StoreDamaged
from chachaml.journal.decoder import Decoder, first_time
from chachaml.journal.format import (
    CELL,
    POINT,
    change_frame,
    encode_header,
    group_frame,
    point_body,
    point_cell,
    read_header,
    row_frame,
    salt_of,
    series_frame,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "journal-v1"
JOURNAL, RUN, STORE = "0123456789abcdef" * 2, "fedcba9876543210" * 2, "00112233445566778899aabbccddeeff"
SALT = salt_of(JOURNAL)
T = 1_700_000_000_000_000


def point(series: int, step: int, time: int, value: float) -> bytes:
    head = POINT | series << 8
    return point_cell(head, crc32(point_body(head, step, time, value), SALT), step, time, value)


def golden_records() -> list[bytes]:
    changes = [
        RunStarted(RUN, T, "iris", "baseline", "maria", None, {"team": "vision", "ключ": "值"}),
        ParamsLogged(RUN, T + 1, {"lr": "0.01", "model.depth": "3", "name": '"é"'}),
        TagsSet(RUN, T + 2, {"reviewed": "true"}),
        TagsRemoved(RUN, T + 3, ("reviewed",)),
        RunJoined(RUN, T + 4),
        RunResumed(RUN, T + 5),
    ]
    end = RunEnded(RUN, T + 9, "failed", RunError("ValueError", "bad", "Traceback ..."), 9)
    overflow = PointsLogged(
        RUN, "far", *(struct.pack(f, v) for f, v in (("<q", 3), ("<q", T + 6), ("<d", 0.5)))
    )
    return [
        *(change_frame(change, SALT) for change in changes),
        series_frame(0, RUN, "loss", SALT),
        point(0, 0, (T + 6) * 1000, 1.5),
        point(0, 1, (T + 7) * 1000, float("inf")),
        point(0, -1, (T + 7) * 1000 + 999, -0.0),
        series_frame(1, RUN, "val/acc µ", SALT),
        group_frame(0, [0, 1], SALT),
        row_frame(0, 2, (T + 8) * 1000, struct.pack("<2d", 0.25, 0.75), SALT),
        change_frame(overflow, SALT),
        change_frame(end, SALT),
    ]


def golden_segment() -> bytes:
    info = JournalInfo(JOURNAL, STORE, "host", "boot", 42, 4242, T)
    return (encode_header(info, 1, 0) + b"".join(golden_records())).ljust(4096, b"\0")


def plain(changes: tuple[object, ...]) -> list[object]:
    found: list[object] = []
    for change in changes:
        if isinstance(change, PointsLogged):
            count = len(change)
            columns = (
                struct.unpack(f"<{count}{kind}", column)
                for kind, column in (("q", change.steps), ("q", change.times), ("d", change.values))
            )
            found.append(["PointsLogged", change.run, change.key, *([*map(str, c)] for c in columns)])
        else:
            found.append(repr(change))
    return found


def test_what_is_written_is_the_golden_segment() -> None:
    assert golden_segment() == (GOLDEN / "000001.seg").read_bytes()


def test_the_golden_segment_reads_as_noted() -> None:
    data = (GOLDEN / "000001.seg").read_bytes()
    header = read_header(data)
    assert header.journal == JournalInfo(JOURNAL, STORE, "host", "boot", 42, 4242, T)
    decoded = Decoder(JOURNAL).decode(data[header.length :], header.length)
    assert decoded.end == len(data)
    assert decoded.damaged == 0
    assert plain(decoded.changes) == json.loads((GOLDEN / "changes.json").read_text())


def test_a_header_of_another_version_or_damaged_is_refused() -> None:
    data = bytearray(golden_segment())
    assert data[8] == 1
    data[8] = 2
    with pytest.raises(StoreDamaged, match="version 2"):
        read_header(bytes(data))
    data[8], data[40] = 1, data[40] ^ 1
    with pytest.raises(StoreDamaged, match="damaged"):
        read_header(bytes(data))
    with pytest.raises(StoreDamaged, match="magic"):
        read_header(b"not a journal")


def points_of(changes: tuple[object, ...]) -> list[tuple[int, int, float]]:
    found = []
    for change in changes:
        if isinstance(change, PointsLogged):
            columns = (
                struct.unpack(f"<{len(change)}{kind}", column)
                for kind, column in (("q", change.steps), ("q", change.times), ("d", change.values))
            )
            found += list(zip(*columns, strict=True))
    return found


def many(count: int) -> bytes:
    return series_frame(0, RUN, "loss", SALT) + b"".join(
        point(0, i, i * 1000, float(i)) for i in range(count)
    )


@pytest.mark.parametrize("count", [5, 600, 5000])
def test_one_torn_record_costs_only_itself(count: int) -> None:
    data = bytearray(many(count))
    torn = CELL * 2 + CELL * (count // 2)  # the series' declaration takes two cells
    data[torn + 20] ^= 0x40
    decoded = Decoder(JOURNAL).decode(bytes(data), 0)
    assert points_of(decoded.changes) == [(i, i, float(i)) for i in range(count) if i != count // 2]
    assert decoded.damaged == CELL


@pytest.mark.parametrize("count", [5, 600, 5000])
def test_a_living_owner_s_empty_cell_is_the_end_so_far(count: int) -> None:
    data = many(count)
    decoded = Decoder(JOURNAL).decode(data + bytes(CELL * 4), 64, live=True)
    assert decoded.end == 64 + len(data)
    assert len(points_of(decoded.changes)) == count


def test_empty_cells_of_the_dead_are_skipped_and_are_no_damage() -> None:
    data = many(3) + bytes(CELL * 5) + point(0, 9, 9000, 9.0) + bytes(CELL)
    decoded = Decoder(JOURNAL).decode(data, 0)
    assert [p[0] for p in points_of(decoded.changes)] == [0, 1, 2, 9]
    assert (decoded.end, decoded.damaged) == (len(data), 0)


def test_a_frame_cut_by_the_window_waits_for_the_rest() -> None:
    start = change_frame(RunJoined(RUN, T), SALT)
    long = change_frame(ParamsLogged(RUN, T, {"text": '"' + "x" * 1000 + '"'}), SALT)
    data = start + long
    cut = len(start) + CELL * 3
    decoder = Decoder(JOURNAL)
    first = decoder.decode(data[:cut], 0, remaining=len(data))
    assert first.end == len(start)
    rest = decoder.decode(data[first.end :], first.end)
    assert [type(c).__name__ for c in rest.changes] == ["ParamsLogged"]


def test_bytes_of_another_journal_are_never_valid() -> None:
    decoded = Decoder("f" * 32).decode(many(600), 0)
    assert decoded.changes == ()
    assert decoded.damaged == len(many(600))


def test_numpy_and_plain_decoding_agree() -> None:
    dice = random.Random(7)
    records = [series_frame(n, RUN, f"key{n}", SALT) for n in range(3)] + [group_frame(0, [2, 0], SALT)]
    for i in range(4000):
        if dice.random() < 0.05:
            records.append(row_frame(0, i, i * 1000, struct.pack("<2d", i, -i), SALT))
        elif dice.random() < 0.02:
            records.append(change_frame(RunJoined(RUN, i), SALT))
        elif dice.random() < 0.02:
            records.append(bytes(dice.randbytes(CELL)))
        else:
            records.append(point(dice.randrange(3) if dice.random() < 0.2 else 0, i, i * 1000, dice.random()))
    data = b"".join(records)
    at_once = Decoder(JOURNAL).decode(data, 0)
    decoder, one_by_one, damaged, at = Decoder(JOURNAL), [], 0, 0
    while at < len(data):
        part = decoder.decode(data[at : at + CELL * 8], at, remaining=len(data) - at)
        one_by_one += part.changes
        damaged += part.damaged
        at = part.end
    assert damaged == at_once.damaged
    for key in ("key0", "key1", "key2"):
        mine = points_of(tuple(c for c in at_once.changes if isinstance(c, PointsLogged) and c.key == key))
        theirs = points_of(tuple(c for c in one_by_one if isinstance(c, PointsLogged) and c.key == key))
        assert mine == theirs


@given(st.binary(max_size=2000), st.integers(0, 5))
def test_no_bytes_make_the_decoder_fail(noise: bytes, valid: int) -> None:
    data = many(valid) + noise.ljust(-(-len(noise) // CELL) * CELL, b"\1") + many(valid)
    decoded = Decoder(JOURNAL).decode(data, 0)
    assert decoded.end == len(data)
    assert len(points_of(decoded.changes)) >= 2 * valid


def test_the_first_time_is_found_without_declarations() -> None:
    assert first_time(many(2)) == 0
    assert first_time(many(2)[CELL * 3 :]) == 1000
    assert first_time(change_frame(RunJoined(RUN, 7), SALT)) == 7000
    assert first_time(bytes(CELL)) is None
