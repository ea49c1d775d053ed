"""The pages, and the files that they need: all from here, none from anywhere else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template

from starlette.responses import Response

from chachaml.core.errors import NotFound

__all__ = ["api_page", "login_page", "page", "start_page", "static"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'"
)

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


def page(html: str, status: int = 200) -> Response:
    """Return a page."""
    headers = {"Content-Security-Policy": _POLICY, "Content-Type": "text/html; charset=utf-8"}
    return Response(html, status, headers)


def login_page(*, team: bool, failed: bool = False) -> str:
    """Return the page where a browser signs in."""
    where = (
        "An admin makes it: <code>chachaml admin token NAME</code>."
        if team
        else "<code>chachaml ui</code> opens a page that is signed in already; its token is for this machine."
    )
    told = '<p class="failed" role="alert">That is not good, or no longer.</p>' if failed else ""
    return _filled("login.html", told=told, where=where)


def api_page() -> str:
    """Return the page that shows the API and tries it out."""
    return _filled("api.html")


def start_page() -> str:
    """Return the page that opens first."""
    return _filled("start.html")


def static(name: str) -> Response:
    """Return a file that pages need.

    Raises:
        NotFound: There is none of that name.
    """
    known = _files()
    if name not in known:
        raise NotFound("there is no such file")
    kind = _TYPES["." + name.rpartition(".")[2]]
    return Response(known[name], 200, {"Content-Type": kind, "Cache-Control": "no-cache"})


@cache
def _files() -> dict[str, bytes]:
    """Return all files by name; a name that comes from outside is looked up here, and nowhere else."""
    folder = files("chachaml.web") / "static"
    return {
        each.name: each.read_bytes()
        for each in folder.iterdir()
        if "." + each.name.rpartition(".")[2] in _TYPES
    }


@cache
def _template(name: str) -> Template:
    return Template((files("chachaml.web") / "templates" / name).read_text(encoding="utf-8"))


def _filled(name: str, **parts: str) -> str:
    """Return a page; what is put in is our own text, never anybody else's."""
    return _template(name).substitute(parts)
