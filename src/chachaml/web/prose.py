"""Markdown of users: rendered here, cleaned here, and given as markup or as a tree that needs no parsing.

A page may not parse markup (its policy forbids it), so what a script shows comes as a tree: texts, and
``[tag, attributes, children]``. Formulas between ``$`` or ``$$`` stay as they were written, in ``code.math``.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from html.parser import HTMLParser
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup, escape
from starlette.responses import Response

from chachaml.core.errors import BadValue
from chachaml.surfaces.http.answers import answer
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

__all__ = ["as_markup", "as_tree", "routes"]

LONGEST = 100_000
"""Characters of a text that is rendered."""

_TAGS = set(
    "p h1 h2 h3 h4 h5 h6 em strong s a ul ol li blockquote code pre hr br table thead tbody tr th td".split()
)
_VOID = ("br", "hr")
_FORMULA = re.compile(r"(\$\$?)(?!\s)((?:\\.|(?!\1)[^\\])+?)(?<!\s)\1(?!\d)", re.DOTALL)
_MOST_LINES = 100
"""Of a formula that stands by itself."""


def routes() -> list[Route]:
    """Return the route that renders what is being written."""
    body = {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": LONGEST, "description": "The text."}},
        "required": ["text"],
        "additionalProperties": False,
    }
    about = {
        "operationId": "render_markdown",
        "summary": "Render Markdown as it would be shown: cleaned markup, and the same as a tree.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "Done.", "content": {"application/json": {"schema": _ANSWER}}}},
    }
    return [Route("POST", "/api/markdown", "read", _render, about)]


_ANSWER = {
    "type": "object",
    "properties": {
        "html": {"type": "string"},
        "tree": {"type": "array", "items": {"description": "A text, or [tag, attributes, children]."}},
    },
    "required": ["html", "tree"],
}


async def _render(request: Request) -> Response:
    text = request.json_object("text").get("text")
    if not isinstance(text, str) or len(text) > LONGEST:
        raise BadValue(f"text must be a str of at most {LONGEST:,} characters")
    html = str(await request.work(lambda: as_markup(text), slow=True))
    return answer({"html": html, "tree": _tree(html)})


@lru_cache(maxsize=64)
def as_markup(text: str) -> Markup:
    """Return Markdown as markup that may stand in a page."""
    html = nh3.clean(
        _markdown().render(text[:LONGEST]),
        tags=_TAGS,
        attributes={"a": {"href"}},
        allowed_classes={"code": {"math", "display"}},
        url_schemes={"http", "https", "mailto"},
    )
    return Markup(html)  # noqa: S704 - it was cleaned just now


def as_tree(text: str) -> list[Any]:
    """Return Markdown as a tree: texts, and ``[tag, attributes, children]``."""
    return _tree(str(as_markup(text)))


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.inline.ruler.before("escape", "formula", _inline_formula)
    made.block.ruler.before("fence", "formula", _block_formula, {"alt": ["paragraph", "blockquote", "list"]})
    made.core.ruler.push("lower_headings", _lower_headings)
    made.add_render_rule("formula", _formula)
    made.add_render_rule("image", _image)
    return made


def _inline_formula(state: StateInline, silent: bool) -> bool:
    match = _FORMULA.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        token = state.push("formula", "code", 0)
        token.markup, token.content = match[1], match[2]
    state.pos = match.end()
    return True


def _block_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take lines from one that begins with ``$$`` to the next ``$$``, which must end its line."""
    at = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith("$$", at):
        return False
    furthest = min(end, start + _MOST_LINES)
    closing = state.src.find("$$", at + 2, state.eMarks[furthest - 1])
    if closing < 0:
        return False
    line = next(line for line in range(start, furthest) if closing <= state.eMarks[line])
    if state.src[closing + 2 : state.eMarks[line]].strip():
        return False
    if not silent:
        token = state.push("formula", "code", 0)
        token.markup, token.content, token.block = "$$", state.src[at + 2 : closing].strip(), True
        state.line = line + 1
    return True


def _formula(_: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:  # noqa: ARG001 - as rules are called
    token = tokens[at]
    kind = "math display" if token.markup == "$$" else "math"
    html = f'<code class="{kind}">{escape(token.content)}</code>'
    return f"<p>{html}</p>\n" if token.block else html


def _image(_: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:  # noqa: ARG001 - as rules are called
    """Show a picture as a link: a page asks nobody else for anything, or others would know who reads."""
    where = tokens[at].attrs.get("src", "")
    return f'<a href="{escape(where)}">{escape(tokens[at].content or where)}</a>'


def _lower_headings(state: Any) -> None:
    """Put headings below those of the page."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 2)}"


class _Reader(HTMLParser):
    """Makes a tree of clean markup."""

    def __init__(self) -> None:
        super().__init__()
        self.tree: list[Any] = []
        self._open: list[list[Any]] = [self.tree]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        children: list[Any] = []
        self._open[-1].append([tag, dict(attrs), children])
        if tag not in _VOID:
            self._open.append(children)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].append(data)


def _tree(html: str) -> list[Any]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.tree
