"""Compression: the standard library's from Python 3.14 on, before that the same as a package."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports.zstd import CompressionParameter, ZstdDecompressor, ZstdError, compress, decompress
else:
    from compression.zstd import CompressionParameter, ZstdDecompressor, ZstdError, compress, decompress

__all__ = ["CompressionParameter", "ZstdDecompressor", "ZstdError", "compress", "decompress", "expand"]


def expand(data: bytes, most: int) -> bytes:
    """Return what was compressed, if it is not more than `most` bytes.

    Raises:
        ValueError: It is more, or it is damaged.
    """
    expander = ZstdDecompressor()
    try:
        whole = expander.decompress(data, most + 1)
    except ZstdError as error:
        raise ValueError(str(error)) from None
    if len(whole) > most or not expander.eof:
        raise ValueError(f"it is more than {most:,} bytes, or cut off")
    return whole
