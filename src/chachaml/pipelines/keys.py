"""What a step's result depends on, as one digest: its code, the params, and what it is given."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from hashlib import sha256
from types import CodeType
from typing import Any

from chachaml.core.errors import BadValue
from chachaml.core.values import canonical
from chachaml.pipelines.steps import Step

__all__ = ["key_of"]


def key_of(step: Step, params: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Return the key under which a step's result can be found again; '' if none tells enough.

    The code of the step itself counts, and the plain values that it closes over or has for defaults;
    not that of other functions that it calls: `Step.version` is for those.

    Args:
        step: The step.
        params: The pipeline's.
        inputs: Digests of the results that the step can see, by name.
    """
    try:
        given = [canonical(key, value) for key, value in sorted(params.items())]
        parts = [step.name, step.version, _code(step.fn), *sorted(params), *given]
    except (BadValue, TypeError):
        return ""
    parts += [f"{name}={digest}" for name, digest in sorted(inputs.items())]
    return sha256("\0".join(parts).encode()).hexdigest()


def _code(fn: Any) -> str:
    """Return what a function does, as far as it shows.

    Raises:
        BadValue: It closes over something that is not plain.
        TypeError: It is no function of Python.
    """
    inner = inspect.unwrap(getattr(fn, "func", fn))
    code = getattr(inner, "__code__", None)
    if code is None:
        raise TypeError(f"{fn!r} is not a function of Python")
    closed = [cell.cell_contents for cell in inner.__closure__ or ()]
    bound = [
        *(inner.__defaults__ or ()),
        *closed,
        *getattr(fn, "args", ()),
        *getattr(fn, "keywords", {}).values(),
    ]
    return "\1".join([*_instructions(code), *(canonical("value", value) for value in bound)])


def _instructions(code: CodeType) -> list[str]:
    """Return a code's own instructions, names and constants, and those of functions within it.

    Not its line numbers: moving a function does not change it.
    """
    plain = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    parts = [code.co_code.hex(), *code.co_names, *plain]
    for one in code.co_consts:
        parts += _instructions(one) if isinstance(one, CodeType) else []
    return parts
