"""What every page promises, whatever is on it: axe finds nothing, and it fits a telephone."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

EVIL = "<img src=x onerror=__pwn()>'\"><script>__pwn()</script>\u202e{{7*7}}" + "long" * 40
"""A name, tag, param or note as nobody should give one."""

_AXE = next(Path(__file__).parents[2].glob(".venv*/node/node_modules/axe-core/axe.min.js"), None)
_ASK = """async () => {
    const found = await axe.run({resultTypes: ['violations']});
    const where = (nodes) => nodes.slice(0, 3).map((one) => one.html.slice(0, 160)).join(' | ');
    return found.violations.map((one) => `${one.id} (${one.help}): ${where(one.nodes)}`);
}"""


def faults(page: Page) -> list[str]:
    """Return what axe finds in the page as it is."""
    assert _AXE is not None, "make types brings axe"
    page.evaluate(_AXE.read_text())
    found: list[str] = page.evaluate(_ASK)
    return found


def fits(page: Page) -> bool:
    """Tell whether the page as a whole, at 375 pixels, is not wider than its window."""
    page.set_viewport_size({"width": 375, "height": 720})
    head = "document.querySelector('.page > header, .page > h1, .empty')"
    wide = f"document.documentElement.scrollWidth <= 375 && {head}.getBoundingClientRect().right <= 376"
    fits: bool = page.evaluate(wide)
    return fits
