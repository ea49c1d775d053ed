"""What an operation is: a typed function that every surface offers, described well enough to be offered."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, Literal, ParamSpec, TypeVar, get_args, get_type_hints

import msgspec

from chachaml.core.errors import BadValue

__all__ = ["Effect", "Operation", "operation", "with_texts"]

Effect = Literal["read", "write", "destructive"]
"""Whether an operation leaves all as it is, changes what `undo` or another call can put right, or more."""

_INT64 = range(-(2**63), 2**63)

P = ParamSpec("P")
R = TypeVar("R")


class Operation(Generic[P, R]):
    """One verb: the function, its effect, and what surfaces need to offer it.

    Calling it calls the function, with Python's own types. `run` takes what comes from outside.
    """

    def __init__(self, function: Callable[P, R], effect: Effect) -> None:
        self.function = function
        self.effect = effect
        self.name = function.__name__
        """Its name in every surface that has room for one."""
        self.summary, self.details, self.about = _read_docstring(function)
        """The first line of its docstring, the other paragraphs, and what is said of each argument."""
        unsaid = set(inspect.signature(function).parameters) - set(self.about)
        if unsaid:
            raise TypeError(f"operation {self.name} says nothing of {', '.join(sorted(unsaid))}")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as Python does, with nothing checked."""
        return self.function(*args, **kwargs)

    @cached_property
    def types(self) -> dict[str, Any]:
        """The type of each argument, and under ``return`` that of the result."""
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def arguments(self) -> type[msgspec.Struct]:
        """A struct of all arguments: what `run` checks against."""
        fields = [
            (name, self.types[name]) if one.default is one.empty else (name, self.types[name], one.default)
            for name, one in inspect.signature(self.function).parameters.items()
        ]
        return msgspec.defstruct(self.name, fields, forbid_unknown_fields=True, kw_only=True)

    def run(self, arguments: Mapping[str, object], *, texts: bool = False) -> R:
        """Call it with arguments from outside.

        Args:
            arguments: By name, as JSON gives them.
            texts: Take numbers and booleans also as texts, as they stand in a query string.

        Raises:
            BadValue: An argument is missing, unknown or of a wrong type.
        """
        try:
            checked = msgspec.convert(dict(arguments), self.arguments, strict=not texts)
        except msgspec.ValidationError as error:
            known = ", ".join(self.arguments.__struct_fields__) or "nothing"
            raise BadValue(f"{self.name}: {error}", f"it takes: {known}") from None
        given = msgspec.structs.asdict(checked)
        for name, value in given.items():
            if isinstance(value, int) and self.types[name] is not Any and value not in _INT64:
                raise BadValue(f"{self.name}: {name} must be a number of 64 bits, not {value}")
        return self.function(**given)  # type: ignore[call-arg]

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments, with what is said of each."""
        schema = _inlined(self.arguments)
        for name, about in self.about.items():
            schema["properties"][name]["description"] = about
        return schema

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the result."""
        return _inlined(self.types["return"])

    def choices(self, argument: str) -> tuple[str, ...]:
        """Return the texts that an argument may be, if these are all."""
        kinds = (self.types[argument], *get_args(self.types[argument]))
        return next((get_args(kind) for kind in kinds if getattr(kind, "__origin__", None) is Literal), ())


def operation(effect: Effect) -> Callable[[Callable[P, R]], Operation[P, R]]:
    """Make an operation of a function with type hints and a docstring that has ``Args``.

    Raises:
        TypeError: The docstring leaves out an argument.
    """
    return lambda function: Operation(function, effect)


def with_texts(schema: Any) -> Any:
    """Return a schema in which a number may also be one of the texts for what JSON lacks."""
    if isinstance(schema, list):
        return [with_texts(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "number":
        return {"anyOf": [schema, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    return {key: with_texts(value) for key, value in schema.items()}


def _inlined(kind: Any) -> dict[str, Any]:
    """Return a schema whose top is the thing itself; what it refers to is under ``$defs``."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = top.get("$ref", "").rpartition("/")[2]
    whole = parts.pop(own) if own in parts and not _refers(parts, own) else top
    return {**whole, "$defs": parts} if parts else whole


def _refers(parts: dict[str, Any], name: str) -> bool:
    return f"#/$defs/{name}" in str(parts)


def _read_docstring(function: Callable[..., Any]) -> tuple[str, str, dict[str, str]]:
    """Return a docstring's first line, its other paragraphs, and its ``Args`` by name."""
    summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
    details, _, sections = rest.partition("Args:\n")
    if not sections:
        details = rest.partition("Raises:\n")[0]
    block = sections.split("\n\n")[0]
    about: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent(block).splitlines():
        if not line.startswith(" "):
            name, _, about[name] = line.partition(": ")
        else:
            about[name] += " " + line.strip()
    return summary, details.strip(), {name: text.strip() for name, text in about.items() if name}
