"""Calls as bare JSON: no tag, or one that may be left out, opens them."""

import re

from callproof.calls.strict_json import RefusedJSON, decode_at, skip_space

from .format import Block, Blocks, ReadCall, Reader, Tools
from .tagged import Content, call_at


def bare_json(first: str, later: str, content: Content, stops: str, between: str = "") -> Reader:
    """A reader of JSON that stands at the beginning of a text, of a line or behind a tag.

    Args:
        first: a regular expression of what makes the beginning of a text an attempt.
        later: of what makes any other place one; both end where the JSON begins.
        content: reads the JSON.
        stops: of what opens another format's call; behind it nothing is bare.
        between: what may separate calls beside white space.
    """
    at_first, at_later, stop = re.compile(first), re.compile(later), re.compile(stops)

    def read(text: str, tools: Tools) -> list[Block]:
        blocks = Blocks(text)
        match = at_first.match(text) or at_later.search(text)
        end = 0
        while match and not stop.search(text, end, match.start()):
            start, begin = match.start(), skip_space(text, match.end())
            try:
                items, end = _calls(content, text, begin, tools, between)
                match = at_later.search(text, end)
            except RefusedJSON as error:
                match = at_later.search(text, max(error.end, begin, start + 1))
                end = match.start() if match else len(text)
                items = (error.reason,)
            blocks.add(start, end, items, not isinstance(items[0], str))
            if repeats := blocks.add_repeats(start, end):
                end += repeats * (end - start)
                match = at_later.search(text, end)
        return blocks

    return read


def _calls(content: Content, text: str, begin: int, tools: Tools, between: str) -> tuple[list[ReadCall], int]:
    items, end = content(text, begin, tools)
    calls = list(items)
    while between:
        after = skip_space(text, end)
        after = skip_space(text, after + 1) if text.startswith(between, after) else after
        if after == end or not text.startswith(("{", "["), after):
            break
        items, end = content(text, after, tools)
        calls += items
    return calls, end


def wrapped_list(key: str, beside: str) -> Content:
    """The content is a JSON object that holds a list of calls under `key`, and perhaps text under `beside`."""

    def content(text: str, begin: int, _: Tools) -> tuple[list[ReadCall], int]:
        value, end = decode_at(text, begin)
        if not isinstance(value, dict) or not isinstance(value.get(key), list) or value.keys() - {key, beside}:
            raise RefusedJSON("no_name", f"expected {key}", end)
        if not value[key]:
            raise RefusedJSON("no_name", "an empty list", end)
        return [call_at(item, end) for item in value[key]], end

    return content
