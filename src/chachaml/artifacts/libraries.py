"""Models in the formats of the libraries that made them, none of which runs code of the bytes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from chachaml.core.errors import BadValue, Untrusted

__all__ = [
    "from_keras",
    "from_lightgbm",
    "from_onnx",
    "from_xgboost",
    "to_keras",
    "to_lightgbm",
    "to_onnx",
    "to_xgboost",
]


def from_xgboost(model: Any) -> bytes:
    """Return a Booster, or an estimator of XGBoost's that was fitted, as UBJSON."""
    import xgboost

    if isinstance(model, xgboost.Booster):
        return bytes(model.save_raw("ubj"))
    path = _empty_file(".ubj")
    try:
        model.save_model(path)
        return path.read_bytes()
    finally:
        path.unlink()


def to_xgboost(data: bytes, _: bool) -> Any:
    """Return what `from_xgboost` was given."""
    import json

    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    said = booster.attr("scikit_learn")
    kinds = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
    kind = kinds.get(json.loads(said).get("_estimator_type", "") if said else "")
    if kind is None:
        return booster
    estimator = getattr(xgboost, kind)()
    estimator.load_model(bytearray(data))
    return estimator


def from_lightgbm(model: Any) -> bytes:
    """Return a Booster as LightGBM's text."""
    text: str = model.model_to_string()
    return text.encode()


def to_lightgbm(data: bytes, _: bool) -> Any:
    """Return what `from_lightgbm` was given."""
    import lightgbm

    return lightgbm.Booster(model_str=data.decode())


def from_onnx(model: Any) -> bytes:
    """Return a model of ONNX as its own bytes."""
    whole: bytes = model.SerializeToString()
    return whole


def to_onnx(data: bytes, _: bool) -> Any:
    """Return what `from_onnx` was given."""
    import onnx

    return onnx.load_model_from_string(data)


def from_keras(model: Any) -> bytes:
    """Return a model as Keras's own archive."""
    path = _empty_file(".keras")
    try:
        model.save(path)
        return path.read_bytes()
    finally:
        path.unlink()


def to_keras(data: bytes, trusted: bool) -> Any:
    """Return what `from_keras` was given; what holds code of its own only if it is trusted."""
    import keras

    path = _empty_file(".keras")
    try:
        path.write_bytes(data)
        return keras.models.load_model(path, safe_mode=not trusted)
    except ValueError as error:
        if trusted or "safe" not in str(error):
            raise BadValue(f"Keras cannot load it: {error}") from error
        raise Untrusted("it holds code of its own, such as a Lambda layer") from None
    finally:
        path.unlink()


def _empty_file(ending: str) -> Path:
    handle, path = tempfile.mkstemp(ending)
    os.close(handle)
    return Path(path)
