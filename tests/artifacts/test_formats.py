"""Values become bytes and come back equal, the safe way first."""

from __future__ import annotations

import datetime
import io
import json
import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chachaml.artifacts import content_type
from chachaml.artifacts.fingerprint import describe
from chachaml.artifacts.formats import decode, encode
from chachaml.core.errors import BadValue, ChachamlError, Untrusted

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.dates()
)
hashable = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
        | st.frozensets(hashable)
        | st.builds(lambda value: {"$tuple": value}, inner)
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way: 1 is not True here."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(plain)
def test_plain_data_comes_back_equal_from_readable_json(value: Any) -> None:
    kept = encode("x", value, "json")
    assert isinstance(kept.data, bytes)
    json.loads(kept.data, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert same(decode(kept.data, "json"), value)


def test_nan_and_infinities_come_back() -> None:
    back = decode(bytes_of([math.nan, math.inf, -math.inf]), "json")
    assert math.isnan(back[0])
    assert back[1:] == [math.inf, -math.inf]


def bytes_of(value: object, format: str | None = None) -> bytes:
    data = encode("x", value, format).data
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize(
    ("value", "format", "content_type"),
    [
        ({"accuracy": np.float64(0.5), "n": np.int64(3)}, "json", "application/json"),
        ("text", "text", "text/plain"),
        (b"\x00\xff", "bytes", "application/octet-stream"),
        (np.arange(6).reshape(2, 3), "npy", "application/x-npy"),
        ({"w": np.eye(2), "b": np.zeros(2)}, "npz", "application/x-npz"),
        ({"file": np.eye(2)}, "pickle", "application/x-python-pickle"),
        (pd.DataFrame({"a": [1, 2]}, index=["x", "y"]), "pandas", "application/vnd.apache.parquet"),
        (pl.DataFrame({"a": [1, 2]}), "polars", "application/vnd.apache.parquet"),
        (pa.table({"a": [1, 2]}), "arrow", "application/vnd.apache.parquet"),
        (range(3), "pickle", "application/x-python-pickle"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_each_type_has_its_format_and_comes_back(value: Any, format: str, content_type: str) -> None:
    kept = encode("x", value)
    assert (kept.format, kept.content_type) == (format, content_type)
    assert isinstance(kept.data, bytes)
    back = decode(kept.data, format, trusted=True)
    if isinstance(value, dict) and format != "json":
        assert all(np.array_equal(back[key], value[key]) for key in value)
    elif isinstance(value, np.ndarray):
        assert np.array_equal(back, value)
    elif hasattr(value, "equals"):
        assert back.equals(value)
    else:
        assert back == value


def test_a_fitted_model_comes_back_without_pickle() -> None:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 0, 1])
    kept = encode("model", model)
    assert kept.format == "skops"
    assert isinstance(kept.data, bytes)
    assert decode(kept.data, "skops").predict([[5.0]]) == [1]


def test_pictures_are_png() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    kept = encode("roc", figure)
    assert (kept.format, kept.content_type) == ("figure", "image/png")
    assert decode(bytes_of(figure), "figure").size[0] > 100
    pixels = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    for given_pixels in (pixels, pixels / 255, pixels.transpose(2, 0, 1)):
        assert np.array_equal(np.asarray(decode(bytes_of(given_pixels, "image"), "image")), pixels)
    with pytest.raises(BadValue, match=r"\(2,\)"):
        encode("x", np.zeros(2), "image")


def test_what_a_format_does_not_take_is_refused_by_name() -> None:
    for value, format in ((object(), "json"), (3, "text"), ("x", "bytes"), (3, "file"), ([], "nonsense")):
        with pytest.raises(BadValue):
            encode("name", value, format)
    with pytest.raises(BadValue, match="'name'.*pickle"):
        encode("name", lambda: None)


def test_a_pickle_does_not_load_unless_trusted(tmp_path: Any) -> None:
    canary = tmp_path / "canary"
    evil = bytes_of(Evil(str(canary)), "pickle")
    with pytest.raises(Untrusted):
        decode(evil, "pickle")
    assert not canary.exists()


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


def test_arrays_of_objects_are_never_loaded_as_arrays() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        decode(buffer.getvalue(), "npy")


def test_an_unknown_format_is_bytes() -> None:
    assert decode(b"from a newer release", "hologram") == b"from a newer release"


@pytest.mark.parametrize(
    ("name", "beginning", "kind"),
    [
        ("plot.png", b"", "image/png"),
        ("plot", b"\x89PNG\r\n\x1a\n....", "image/png"),
        ("photo", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("x.WEBP", b"", "image/webp"),
        ("sound", b"RIFF....WAVE", "audio/wav"),
        ("README.md", b"", "text/markdown"),
        ("data.parquet", b"", "application/vnd.apache.parquet"),
        ("model.pt", b"PK\x03\x04", "application/zip"),
        ("what", b"?", "application/octet-stream"),
    ],
)
def test_content_types_are_guessed(name: str, beginning: bytes, kind: str) -> None:
    assert content_type.guess(name, beginning) == kind


# data sets ----------------------------------------------------------------------------------------

FRAME = {"a": [1, 2, 3], "b": ["x", "y", None]}


@pytest.mark.parametrize(
    "make",
    [
        lambda values: pd.DataFrame(values),
        lambda values: pl.DataFrame(values),
        lambda values: pa.table(values),
        lambda values: np.array(values["a"], float),
        lambda values: (np.array(values["a"]), np.zeros(3)),
    ],
    ids=["pandas", "polars", "arrow", "numpy", "tuple"],
)
def test_equal_data_has_equal_hashes_and_other_data_others(make: Any) -> None:
    first, again = describe(make(FRAME)), describe(make(FRAME))
    other = describe(make({**FRAME, "a": [1, 2, 4]}))
    assert first == again
    assert len(first.digest) == 64
    assert first.digest != other.digest
    assert first.rows == 3


def test_frames_tell_their_features() -> None:
    for frame in (pd.DataFrame(FRAME), pl.DataFrame(FRAME), pa.table(FRAME)):
        assert describe(frame)[1:4] == (3, 2, ("a", "b"))


def test_the_shape_counts_for_the_hash() -> None:
    assert describe(np.zeros((2, 3))).digest != describe(np.zeros((3, 2))).digest
    assert describe(np.zeros(2, np.int32)).digest != describe(np.zeros(1, np.int64)).digest
    swapped = np.arange(3, dtype=">i4" if sys.byteorder == "little" else "<i4")
    assert describe(swapped).digest == describe(np.arange(3, dtype=np.int32)).digest


def test_sparse_data_is_known_by_its_entries() -> None:
    from scipy.sparse import coo_matrix

    one = coo_matrix(([1.0, 2.0], ([0, 1], [1, 0])), shape=(2, 2))
    other = coo_matrix(([2.0, 1.0], ([1, 0], [0, 1])), shape=(2, 2))
    assert describe(one) == describe(other)
    assert (describe(one).rows, describe(one).columns) == (2, 2)


def test_what_cannot_be_hashed_is_refused() -> None:
    for data in (object(), [object()], (), "no such file.csv"):
        with pytest.raises(ChachamlError):
            describe(data)


def test_dates_are_no_datetimes() -> None:
    value = [datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)]
    assert same(decode(bytes_of(value), "json"), value)
