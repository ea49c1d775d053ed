"""Images, figures and sound as bytes."""

from __future__ import annotations

import io
import wave
from typing import Any, NamedTuple

from chachaml.artifacts.formats import missing
from chachaml.core.errors import BadValue

__all__ = [
    "Sound",
    "from_audio",
    "from_figure",
    "from_image",
    "from_plotly",
    "to_audio",
    "to_figure",
    "to_image",
    "to_plotly",
]


class Sound(NamedTuple):
    """Samples between -1 and 1, of shape (n,) or (n, channels), and how many there are in a second."""

    samples: Any
    rate: int


def from_figure(figure: Any) -> bytes:
    """Return a matplotlib figure, or anything with its ``savefig``, as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=144)
    return buffer.getvalue()


def from_image(image: Any) -> bytes:
    """Return an image as PNG.

    Args:
        image: A PIL image, or an array or tensor of shape (height, width), (height, width, 1, 3 or 4),
            or (1, 3 or 4, height, width) as tensors have it: uint8, or floats between 0 and 1.
    """
    buffer = io.BytesIO()
    (image if hasattr(image, "save") else _pil_of(image)).save(buffer, format="PNG")
    return buffer.getvalue()


def _pil_of(image: Any) -> Any:
    import numpy as np

    try:
        from PIL import Image
    except ImportError as error:
        raise missing("pillow", "an image from an array") from error
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise BadValue(f"an image has the shape (height, width) or (height, width, 3), not {pixels.shape}")
    if pixels.dtype.kind == "f":
        pixels = np.nan_to_num(pixels).clip(0, 1) * 255 + 0.5
    elif pixels.dtype == bool:
        pixels = pixels * 255
    return Image.fromarray(np.ascontiguousarray(pixels.clip(0, 255), np.uint8))


def to_image(data: bytes, _: bool) -> Any:
    """Return a PNG as a PIL image; as bytes where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        return data
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


to_figure = to_image


def from_plotly(figure: Any) -> bytes:
    """Return a plotly figure as its JSON."""
    text: str = figure.to_json()
    return text.encode()


def to_plotly(data: bytes, _: bool) -> Any:
    """Return a plotly figure; as plain data where plotly is not installed."""
    import json

    found = json.loads(data)
    try:
        from plotly.graph_objects import Figure  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return found
    return Figure(found)


def from_audio(sound: Any) -> bytes:
    """Return a `Sound` as a WAV file of 16 bits."""
    import numpy as np

    samples = np.asarray(sound.samples, np.float64)
    if samples.ndim not in (1, 2) or not len(samples):
        raise BadValue(f"sound has the shape (samples,) or (samples, channels), not {samples.shape}")
    if sound.rate < 1:
        raise BadValue(f"a sample rate is 1 or more a second, not {sound.rate}")
    whole = (np.nan_to_num(samples).clip(-1, 1) * 32767).round().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if whole.ndim == 1 else whole.shape[1])
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(whole.tobytes())
    return buffer.getvalue()


def to_audio(data: bytes, _: bool) -> Sound:
    """Return a WAV file of 16 bits as a `Sound`."""
    import numpy as np

    with wave.open(io.BytesIO(data)) as file:
        channels, rate = file.getnchannels(), file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    return Sound(samples if channels == 1 else samples.reshape(-1, channels), rate)
