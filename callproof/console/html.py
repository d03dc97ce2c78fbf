"""Self-contained HTML pages: reports, which open from disk, and the page of `serve ui`.

The words of models, customers, tools and servers are not trusted. They are embedded as JSON that cannot end its script
element and drawn as text nodes only (`assets/dom.js`); a content security policy allows the page's own style and
script, named by their hashes, and nothing else.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_core import to_json

_STYLES, _SCRIPTS = ("base.css",), ("dom.js", "models.js")


def page(
    assets: Path,
    title: str,
    data: dict[str, Any],
    styles: Iterable[str],
    scripts: Iterable[str],
    connect: str = "'none'",
) -> str:
    """The HTML of a page that shows `data`.

    Args:
        assets: the folder that holds `styles` and `scripts`; they follow those that all pages share.
        data: a JSON value; the scripts find it in the element `data`, and draw into the element `page`.
        connect: the `connect-src` of the content security policy: which hosts the scripts may send requests to.
    """
    style = "\n".join([*map(_shared, _STYLES), *(_text(assets / name) for name in styles)])
    script = "\n".join([*map(_shared, _SCRIPTS), *(_text(assets / name) for name in scripts)])
    script = f'"use strict";\n(() => {{\n{script}\n}})();'
    parts = {
        "title": html.escape(title),
        "policy": f"default-src 'none'; style-src {source_hash(style)}; script-src {source_hash(script)}; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'",
        "style": style,
        "data": embedded(data),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], _shared("page.html"))


def embedded(data: object) -> str:
    """JSON that is safe inside a script element: no `<` in it, so nothing can end the element or open a comment.

    NaN and Infinity, which no browser reads, become null.
    """
    return to_json(data, inf_nan_mode="null").decode().replace("<", "\\u003c")


def _shared(name: str) -> str:
    return _text(Path(__file__).with_name("assets") / name)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """The hash by which a content security policy allows one inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
