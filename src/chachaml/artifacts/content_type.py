"""What bytes are, for whoever shows them: by the artifact's name, else by how they begin."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

__all__ = ["guess"]

UNKNOWN = "application/octet-stream"

_BY_ENDING = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".ipynb": "application/x-ipynb+json",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".safetensors": "application/x-safetensors",
    ".onnx": "application/x-onnx",
    ".skops": "application/x-skops",
    ".pkl": "application/x-python-pickle",
    ".pickle": "application/x-python-pickle",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".log": "text/plain",
    ".py": "text/x-python",
}
"""Endings that the standard library does not know, or not on every system."""

_BY_BEGINNING = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x93NUMPY", "application/x-npy"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
)

_types = mimetypes.MimeTypes()  # of the standard library alone: what the system adds differs


def guess(name: str, beginning: bytes) -> str:
    """Return the content type of a file.

    Args:
        name: What it is called.
        beginning: Its first bytes; 16 will do.
    """
    ending = PurePosixPath(name.lower()).suffix
    by_name = _BY_ENDING.get(ending) or _types.guess_type(f"x{ending}")[0]
    return by_name or _by_beginning(beginning)


def _by_beginning(beginning: bytes) -> str:
    if beginning[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(beginning[8:12], UNKNOWN)
    return next((kind for start, kind in _BY_BEGINNING if beginning.startswith(start)), UNKNOWN)
