"""What all pages share: their headers, the frame around them, and how they tell that something is wrong."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import Response

from chachaml.core.errors import ChachamlError
from chachaml.web.rendering import render

if TYPE_CHECKING:
    from chachaml.surfaces.http.requests import Request
    from chachaml.surfaces.http.service import Options

__all__ = ["SECTIONS", "Section", "bare_page", "framed", "page", "problem_page"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; frame-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'"
)

Section = tuple[str, str, str]
"""A place in the rail: its path, its name, and its icon."""

SECTIONS: tuple[Section, ...] = (
    ("/runs", "Runs", "runs"),
    ("/experiments", "Experiments", "experiments"),
    ("/models", "Models", "models"),
    ("/pipelines", "Pipelines", "pipelines"),
    ("/alerts", "Alerts", "alerts"),
    ("/chat", "Chat", "chat"),
    ("/settings", "Settings", "settings"),
)


def page(html: str, status: int = 200) -> Response:
    """Return a page."""
    headers = {
        "Content-Security-Policy": _POLICY,
        "Content-Type": "text/html; charset=utf-8",
        "Referrer-Policy": "same-origin",  # without any, browsers post forms as if from nowhere
    }
    return Response(html, status, headers)


def framed(request: Request, template: str, *, title: str, status: int = 200, **given: Any) -> Response:
    """Return a page within the frame.

    Args:
        request: What was asked for; from a worker's thread too.
        template: A file in ``templates`` that extends ``frame.html``.
        title: Of the page, as it stands in the browser's tab.
        status: Of HTTP.
        given: What else the template needs. ``section`` is the path of the rail's entry that is marked.
    """
    options = request.service.options
    about = {
        "title": title,
        "prefix": options.prefix,
        "origin": options.origins[0],
        "store": request.service.where.path.name,
        "team": options.team,
        "user": request.actor.name,
        "sections": SECTIONS,
        "section": "",
    }
    return page(render(template, **(about | given)), status)


def bare_page(template: str, options: Options, *, status: int = 200, **given: Any) -> Response:
    """Return a page without the frame, such as for who has not signed in."""
    return page(render(template, prefix=options.prefix, status=status, **given), status)


def problem_page(request_path: str, options: Options, error: ChachamlError) -> Response:
    """Return the page that tells what is wrong, and where one might have wanted to go."""
    known = [path for path, _, _ in SECTIONS]
    near = get_close_matches(request_path, known, 2, 0.5) if error.status == 404 else []
    words = request_path.strip("/").rpartition("/")[2]
    search = f"{options.prefix}/search?q={quote(words)}" if words and error.status == 404 else ""
    told = {"message": error.message, "hint": error.hint, "near": near, "search": search}
    return bare_page("problem.html", options, status=error.status, **told)
