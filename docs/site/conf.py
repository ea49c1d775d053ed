"""How Sphinx builds the site. Nothing in it may be fetched from elsewhere: it has to work without a network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import chachaml
from chachaml.core import model

# Signatures name these, and modules import them for type checkers alone.
model.np, model.npt = np, npt  # type: ignore[attr-defined]

project = "chachaml"
author = "The chachaml authors"
project_copyright = "2026, the chachaml authors"
version = release = chachaml.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries = False
default_role = "any_code"

html_theme = "furo"
html_title = f"chachaml {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"footer_icons": []}
pygments_style, pygments_dark_style = "friendly", "monokai"


def setup(app):  # type: ignore[no-untyped-def]
    """Take a word between single backticks in a docstring for code, as its writers mean it."""
    from docutils import nodes

    def as_code(name, rawtext, text, lineno, inliner, options=None, content=()):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return [nodes.literal(rawtext, text)], []

    app.add_role("any_code", as_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
