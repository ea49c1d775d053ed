"""The page of the search language: its grammar in full, and every field, from the parser's own tables."""

from __future__ import annotations

from docs.site.markdown import code, table

from chachaml.core.model import STATUSES
from chachaml.core.query import parser
from chachaml.core.query.expressions import ATTRIBUTES, DATASET, PARTS

__all__ = ["page"]

HEAD = """# The search language

What a filter and an order may say, in full. [Searching](../guide/search.md) explains it with examples.

## Grammar

```text
filter     = alternative { "or" alternative }
alternative= condition { "and" condition }
condition  = [ "not" ] ( "(" filter ")" | test )
test       = field comparison value
           | field [ "not" ] ( "like" | "ilike" ) text
           | field "~" text
           | field [ "not" ] "in" "(" value { "," value } ")"
           | field [ "not" ] "between" value "and" value
           | field "is" [ "not" ] ( "null" | "nan" )
comparison = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">="
field      = attribute | entity "." key [ "." part ]
key        = name { "." name } | backquoted | double-quoted
order      = field [ "asc" | "desc" ] { "," field [ "asc" | "desc" ] }
```

Words are taken in upper and lower case alike. A filter may have 50,000 characters and be nested 100 deep.

"""


def page() -> str:
    """Return the page."""
    entities = [(code(word), kind) for word, kind in parser._ENTITIES.items()]
    aliases = {
        target: [word for word, known in parser._ALIASES.items() if known == target] for target in ATTRIBUTES
    }
    attributes = [
        (code(name), kind, ", ".join(code(word) for word in aliases[name]))
        for name, kind in ATTRIBUTES.items()
    ]
    units = ", ".join(f"`{unit}` ({seconds:g} s)" for unit, seconds in parser._SECONDS.items())
    return "\n".join(
        [
            HEAD + "## Entities\n",
            table(("word", "is a"), entities),
            f"A metric's key may end in {', '.join(code('.' + part) for part in PARTS)}: which of its values counts.",
            f"A data set has {', '.join(code(name) for name in DATASET)}.\n",
            "## Attributes\n",
            table(("attribute", "kind", "also"), attributes),
            f"A status is {', '.join(code(status) for status in STATUSES)}, or `archived`.\n",
            "## Values\n",
            "Numbers, texts in single or double quotes with a quote in them doubled, plain words, `true`, `false`, "
            "`inf`. A time is a date, a date with a time, `now`, `today`, or so long ago: `-7d`. "
            f"Units of time are {units}.\n",
        ]
    )
