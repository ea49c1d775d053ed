"""How values become bytes and bytes values again, the safest way that a type has first.

Everything here but pickles, and what skops does not know, loads without running code of the bytes.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from chachaml.artifacts import content_type, plain
from chachaml.core.errors import BadValue, MissingExtra, Untrusted

__all__ = ["FORMATS", "Encoded", "Format", "decode", "encode", "needs_trust"]


class Format(NamedTuple):
    """One way to keep values.

    ``encode`` is None for bytes that come as they are; ``decode`` gets the bytes, and whether
    whoever made them is trusted.
    """

    name: str
    content_type: str
    encode: Callable[[Any], bytes] | None
    decode: Callable[[bytes, bool], Any]


class Encoded(NamedTuple):
    """A value as it is kept. ``data`` is bytes, or the path of a file to be copied."""

    data: bytes | Path
    format: str
    content_type: str


def encode(name: str, value: object, format: str | None = None, given_type: str | None = None) -> Encoded:
    """Return `value` as bytes.

    Args:
        name: The artifact's name, whose ending tells what a file is.
        value: Anything; a path means that file.
        format: One of `FORMATS`. Default: by the value's type.
        given_type: The content type, instead of the one that the format has.

    Raises:
        BadValue: The format is unknown, or does not take such a value.
        MissingExtra: The format needs a library that is not installed.
    """
    kind = format or _format_of(value)
    if kind not in FORMATS:
        raise BadValue(f"there is no format {kind!r}", "one of: " + ", ".join(sorted(FORMATS)))
    if kind == "file":
        return _file(name, value, given_type)
    chosen = FORMATS[kind]
    data = _bytes(name, value) if chosen.encode is None else _encoded(name, value, chosen)
    if given_type is None:
        given_type = content_type.guess(name, data[:16]) if kind == "bytes" else chosen.content_type
    return Encoded(data, kind, given_type)


def decode(data: bytes, format: str, *, trusted: bool = False) -> Any:
    """Return the value that was encoded; bytes for a format that this release does not know.

    Raises:
        Untrusted: It would run code, and is not trusted.
        MissingExtra: It needs a library that is not installed.
    """
    known = FORMATS.get(format)
    if known is None:
        return data
    try:
        return known.decode(data, trusted)
    except ImportError as error:
        raise missing(error.name or format, f"format {format!r}") from error


def needs_trust(format: str) -> bool:
    """Tell whether loading this format may run code."""
    return format in ("pickle", "skops", "keras")


# which format ---------------------------------------------------------------------------------------


def _format_of(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(value, os.PathLike):
        return "file"
    if isinstance(value, str):
        return "text"
    for name, takes in _BY_TYPE:
        if takes(value):
            return name
    try:
        plain.dumps(value)
    except plain.NotPlain:
        return "pickle"
    return "json"


def _is(module: str, *names: str) -> Callable[[object], bool]:
    """Return a test for instances of a library's classes, which never imports it."""

    def test(value: object) -> bool:
        loaded = sys.modules.get(module)
        kinds = tuple(getattr(loaded, name) for name in names if hasattr(loaded, name))
        return bool(kinds) and isinstance(value, kinds)

    return test


_is_array = _is("numpy", "ndarray")
_is_tensor = _is("torch", "Tensor")


def _is_plain_array(value: Any) -> bool:
    return _is_array(value) and not value.dtype.hasobject


_is_estimator = _is("sklearn.base", "BaseEstimator")


def _holds(value: object, test: Callable[[object], bool]) -> bool:
    return (
        type(value) is dict
        and bool(value)
        and all(type(key) is str and test(each) for key, each in value.items())
    )


def _is_fitted(value: Any) -> bool:
    asked = getattr(value, "__sklearn_is_fitted__", None)
    return asked is None or bool(asked())


_BY_TYPE: tuple[tuple[str, Callable[[object], bool]], ...] = (
    ("npy", _is_plain_array),
    # numpy would take "file" for its own argument.
    ("npz", lambda value: _holds(value, _is_plain_array) and "file" not in value),  # type: ignore[operator]
    ("safetensors", lambda value: (_is_tensor(value) or _holds(value, _is_tensor)) and _has("safetensors")),
    ("pandas", lambda value: _is("pandas", "DataFrame")(value) and _has("pyarrow")),
    ("polars", _is("polars", "DataFrame")),
    ("arrow", _is("pyarrow", "Table")),
    ("figure", lambda value: _is("matplotlib.figure", "Figure")(value)),
    ("plotly", _is("plotly.graph_objects", "Figure")),
    ("image", _is("PIL.Image", "Image")),
    ("xgboost", lambda value: _is("xgboost", "Booster", "XGBModel")(value) and _is_fitted(value)),
    ("lightgbm", _is("lightgbm", "Booster")),
    ("onnx", _is("onnx", "ModelProto")),
    ("keras", _is("keras", "Model")),
    ("skops", lambda value: _is_estimator(value) and _has("skops")),
)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return module in sys.modules or find_spec(module) is not None


# to and from bytes ----------------------------------------------------------------------------------


def _bytes(name: str, value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise BadValue(f"artifact {name!r}: format 'bytes' takes bytes, not {type(value).__name__}")


def _encoded(name: str, value: object, chosen: Format) -> bytes:
    assert chosen.encode is not None  # noqa: S101 - told to the type checker
    try:
        return chosen.encode(value)
    except (MissingExtra, BadValue):
        raise
    except ImportError as error:
        raise missing(error.name or chosen.name, f"format {chosen.name!r}") from error
    except Exception as error:
        what = f"{type(value).__module__}.{type(value).__qualname__}"
        raise BadValue(
            f"artifact {name!r}: {what} cannot be kept as {chosen.name!r}: {error}",
            "choose another format=..., or save it to a file yourself and log_file it",
        ) from error


def _file(name: str, value: object, given_type: str | None) -> Encoded:
    if not isinstance(value, (str, os.PathLike)):
        raise BadValue(f"artifact {name!r}: format 'file' takes a path, not {type(value).__name__}")
    path = Path(os.fsdecode(value)).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        hint = "chachaml.log_dir logs a folder" if path.is_dir() else "check the path"
        raise BadValue(f"artifact {name!r}: the file {path.absolute()} {what}", hint)
    with path.open("rb") as file:
        beginning = file.read(16)
    kind = content_type.guess(name, beginning)
    if kind == content_type.UNKNOWN:
        kind = content_type.guess(path.name, beginning)
    return Encoded(path, "file", given_type or kind)


def missing(module: str, what: str) -> MissingExtra:
    """Return the error that names a library which is not installed, and the line that installs it."""
    package = {"PIL": "pillow", "sklearn": "scikit-learn"}.get(module, module).partition(".")[0]
    return MissingExtra(f"{what} needs {package}, which is not installed", f"pip install {package}")


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise BadValue(f"text must be a str, not {type(value).__name__}")
    return value.encode()


def _json(value: object) -> bytes:
    try:
        return plain.dumps(value)
    except plain.NotPlain as error:
        raise BadValue(
            f"format 'json' takes plain data, not {error}", "leave the format out to have one chosen"
        ) from None


def _npy(value: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return buffer.getvalue()


def _npz(value: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **value)
    return buffer.getvalue()


def _load_npy(data: bytes, _: bool) -> Any:
    import numpy as np

    return np.load(io.BytesIO(data), allow_pickle=False)


def _load_npz(data: bytes, _: bool) -> Any:
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return dict(found)


def _safetensors(value: Any) -> bytes:
    from safetensors.torch import save

    tensors = value if isinstance(value, dict) else {"": value}
    # Tensors may share memory with each other, which the format has no way to say.
    whole: bytes = save({key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()})
    return whole


def _load_safetensors(data: bytes, _: bool) -> Any:
    from safetensors.torch import load

    tensors = load(data)
    return tensors[""] if tensors.keys() == {""} else tensors


def _skops(value: object) -> bytes:
    from skops import io as skops_io

    whole: bytes = skops_io.dumps(value)
    return whole


def _load_skops(data: bytes, trusted: bool) -> Any:
    from skops import io as skops_io

    unknown = skops_io.get_untrusted_types(data=data)
    if unknown and not trusted:
        raise Untrusted(f"it holds types that skops does not know to be safe: {', '.join(unknown)}")
    return skops_io.loads(data, trusted=unknown)


def _pickle(value: object) -> bytes:
    import pickle

    return pickle.dumps(value, protocol=5)


def _load_pickle(data: bytes, trusted: bool) -> Any:
    """Unpickle: the only place in chachaml that does."""
    if not trusted:
        raise Untrusted("it is a pickle")
    import pickle

    return pickle.loads(data)  # noqa: S301 - whoever made it is trusted


def _as_is(data: bytes, _: bool) -> bytes:
    return data


def _later(module: str, function: str) -> Callable[..., Any]:
    """Return a function of a module of this package that is imported with its first use."""

    def call(*arguments: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(f"chachaml.artifacts.{module}"), function)(*arguments)

    return call


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("bytes", content_type.UNKNOWN, None, _as_is),
        Format("file", content_type.UNKNOWN, None, _as_is),
        Format("text", "text/plain", _text, lambda data, _: data.decode()),
        Format("md", "text/markdown", _text, lambda data, _: data.decode()),
        Format("html", "text/html", _text, lambda data, _: data.decode()),
        Format("json", "application/json", _json, lambda data, _: plain.loads(data)),
        Format("npy", "application/x-npy", _npy, _load_npy),
        Format("npz", "application/x-npz", _npz, _load_npz),
        Format("safetensors", "application/x-safetensors", _safetensors, _load_safetensors),
        Format("skops", "application/x-skops", _skops, _load_skops),
        Format("pickle", "application/x-python-pickle", _pickle, _load_pickle),
        *(
            Format(name, kind, _later(module, f"from_{name}"), _later(module, f"to_{name}"))
            for name, kind, module in (
                ("table", "application/vnd.chachaml.table+json", "tables"),
                ("pandas", "application/vnd.apache.parquet", "tables"),
                ("polars", "application/vnd.apache.parquet", "tables"),
                ("arrow", "application/vnd.apache.parquet", "tables"),
                ("histogram", "application/vnd.chachaml.histogram+json", "tables"),
                ("figure", "image/png", "media"),
                ("image", "image/png", "media"),
                ("plotly", "application/vnd.plotly.v1+json", "media"),
                ("audio", "audio/wav", "media"),
                ("xgboost", "application/ubjson", "libraries"),
                ("lightgbm", "text/plain", "libraries"),
                ("onnx", "application/x-onnx", "libraries"),
                ("keras", "application/x-keras", "libraries"),
            )
        ),
    )
}
"""Every format by its name."""
