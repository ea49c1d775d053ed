"""How results show themselves: at the prompt, and where rich prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = ["Shown"]


class Shown:
    """Shows itself: as text at the prompt, in colour where rich prints; subclasses give `_text`."""

    __slots__ = ()

    def _text(self, paint: Paint) -> str:  # noqa: ARG002 - those that have colours use it
        return object.__repr__(self)

    def __repr__(self) -> str:
        from chachaml.display import plain

        return self._text(plain)

    def __rich__(self) -> object:
        from rich.text import Text  # whoever calls this has it

        from chachaml.display import ansi

        return Text.from_ansi(self._text(ansi))
