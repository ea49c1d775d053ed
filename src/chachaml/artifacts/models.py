"""What is worth knowing of a model besides its bytes: what it takes and gives, and what it needs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["about_name", "describe", "keepable", "signature_of"]

_NEEDS = {
    "skops": ("scikit-learn", "skops", "numpy"),
    "safetensors": ("torch", "safetensors"),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "onnx": ("onnx",),
    "keras": ("keras",),
    "npy": ("numpy",),
    "npz": ("numpy",),
}
"""The packages that formats need, the first part of whose name is given."""


def about_name(artifact: str) -> str:
    """Return the name of the artifact that describes the model of this name."""
    return f"{artifact}.about.json"


def describe(model: Any, format: str, example: Any = None) -> dict[str, Any]:
    """Return what is worth knowing of a model, as plain data.

    Args:
        model: The model.
        format: How it is kept.
        example: What it is given, some rows of it: a frame, array, tensor, or a dict of them.
    """
    about: dict[str, Any] = {
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "format": format,
        "python": platform.python_version(),
        "requirements": _requirements(model, format),
    }
    if example is not None:
        about["inputs"] = signature_of(example)
        given = _predict(model, example)
        if given is not None:
            about["outputs"] = signature_of(given)
    return about


def keepable(model: Any) -> Any:
    """Return what of a model is kept: the weights of a module of PyTorch, else the model itself.

    A module whole is code, which would have to be trusted to be loaded.
    """
    return dict(model.state_dict()) if _is_module(model) else model


def signature_of(data: Any) -> dict[str, Any]:
    """Return names, types and shapes of data; the first dimension, which counts rows, is None.

    The forms: ``{"columns": {name: type}}`` for frames, ``{"type": ..., "shape": [...]}`` for arrays
    and tensors, ``{"items": {key: form}}`` for dicts of them, ``{"type": ...}`` for anything else.
    """
    if isinstance(data, Mapping):
        return {"items": {str(key): signature_of(each) for key, each in data.items()}}
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        types = data.dtypes
        pairs = zip(data.columns, types if isinstance(types, list) else list(types), strict=True)
        return {"columns": {str(name): str(kind) for name, kind in pairs}}
    shape = getattr(data, "shape", None)
    if shape is not None and hasattr(data, "dtype"):
        return {"type": str(data.dtype), "shape": [None, *map(int, tuple(shape)[1:])] if len(shape) else []}
    if isinstance(data, (list, tuple)) and data:
        return {"type": "list", "of": signature_of(data[0])}
    return {"type": type(data).__name__}


def _predict(model: Any, example: Any) -> Any:
    """Return what a model gives for an example; None if it has no plain way to be asked."""
    if _is_module(model):
        import torch

        training = model.training
        try:
            with torch.no_grad():
                return model.train(False)(example)
        finally:
            model.train(training)
    ask = getattr(model, "predict", None)
    return ask(example) if callable(ask) else None


def _is_module(model: Any) -> bool:
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if keras is not None and isinstance(model, keras.Model):
        return False  # on PyTorch it is a module too, but Keras keeps it whole
    return torch is not None and isinstance(model, torch.nn.Module)


def _requirements(model: Any, format: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    names = list(_NEEDS.get(format.partition("-")[0], ()))
    top = type(model).__module__.partition(".")[0]
    if top not in sys.stdlib_module_names and top != "__main__":
        names += packages_distributions().get(top, [])[:1]
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found
