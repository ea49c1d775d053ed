"""The page of the formats that artifacts are kept in."""

from __future__ import annotations

from docs.site.markdown import code, table

from chachaml.artifacts.formats import FORMATS, needs_trust

__all__ = ["page"]

HEAD = """# Formats of artifacts

How bytes of artifacts are kept, and as what. [Artifacts](../guide/artifacts.md) tells which values get which format, and whom
loading trusts; [journals](journal.md) and [the database](schema.md) have pages of their own.

Below the folder of artifacts (`chachaml-artifacts` beside `chachaml.db`, or as the setting `artifacts` says):

| path | what it is |
|---|---|
| `.blobs/` | the bytes, each once, under their SHA-256; never changed, checked when they are loaded |
| `RUN/NAME` | the same bytes under the run's id and the artifact's name, for people and plain tools |

## Formats

`log_artifact(..., format=NAME)` chooses one. Only those with *trust* can run code when they are loaded, and load only if this
user or a trusted one signed them, or on `trust=`.

"""


def page() -> str:
    """Return the page."""
    rows = [
        (code(name), code(one.content_type), "trust" if needs_trust(name) else "")
        for name, one in FORMATS.items()
    ]
    return HEAD + table(("format", "content type", ""), rows)
