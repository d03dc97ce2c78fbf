"""Where the text of an answer that is still being written may yet turn out to be an attempt in another notation.

Bare JSON is an attempt once it names a tool, a Python call once its name is followed by a bracket: until then it is
text like any. Whoever shows text while it comes must hold it back from there on, or take it back later.
"""

import re
from collections.abc import Iterator
from functools import cache

from .formats import FORMATS, Format, Tools
from .formats.foreign import FENCE, JSON_CALL, NAME, PYTHON_CALL, marks_of
from .strict_json import RefusedJSON, decode_at

_REACH = 1000
_HALF_JSON = re.compile(
    rf"(?:`{{1,3}}|```[a-z_]{{1,9}}|{FENCE}(?:\[\s{{0,40}})?(?:\{{\s{{0,40}}(?:\"[a-z_]{{0,12}}\"?)?)?)\Z"
)
_HALF_VALUE = re.compile(
    r"\s*(?::\s*)?(?:\"[^\"]*|t|tr|tru|f|fa|fal|fals|n|nu|nul|-?(?:I(?:n(?:f(?:i(?:n(?:i(?:ty?)?)?)?)?)?)?)?|Na?|\.|\.?\d*[eE][+-]?)?"
)
_ESCAPED = re.compile(r"\\.")
_HALF_PYTHON = re.compile(
    rf"(?:\[\s{{0,9}}|(?:(?<=\n)|(?<![\s\S]))\s{{0,99}}{FENCE}\[?\s{{0,9}}){NAME}"
    r"(\((?:\s{0,9}[\w\-]{0,64}\s{0,9})?)?\Z"
)
_HALF_ACTION = re.compile(
    r"(?:A|Ac|Act|Acti|Actio|Action|Action:[ \t]{0,9}\S{0,256}[ \t]{0,9}(?:\n[A-Za-z :]{0,13})?)\Z"
)


def undecided(text: str, own: Format, tools: Tools) -> int:
    """From where on a text may still become an attempt; its length if nothing of it may.

    Args:
        text: what has come since the last block of the format, outside thinking.
        own: the format that is read.
        tools: as of `parse_answer`.
    """
    return min([len(text), *_open_json(text), *_half(text, own, tools)])


def _open_json(text: str) -> Iterator[int]:
    """The first JSON value that may be a call and has not come to its end."""
    match = JSON_CALL.search(text)
    while match:
        begin = min(place for mark in "[{" if (place := text.find(mark, match.start(), match.end())) >= 0)
        try:
            _, end = decode_at(text, begin)
        except RefusedJSON as error:
            if _incomplete(error, text[error.end :]):
                yield match.start()
                return
            end = max(error.end, match.end())
        match = JSON_CALL.search(text, end)


def _incomplete(error: RefusedJSON, rest: str) -> bool:
    """Whether JSON was refused for nothing but its missing end; `rest`: from where the reading stopped."""
    if error.reason != "invalid_json":
        return False
    open_string = str(error).startswith(("Unterminated string", "Invalid \\escape", "Invalid \\uXXXX escape"))
    return _HALF_VALUE.fullmatch(rest) is not None or (open_string and '"' not in _ESCAPED.sub("", rest[1:]))


def _half(text: str, own: Format, tools: Tools) -> Iterator[int]:
    """Where the beginning of an attempt stands at the end of a text."""
    start = max(0, len(text) - _REACH)
    for pattern in (_HALF_JSON, _HALF_ACTION):
        if match := pattern.search(text, start):
            yield match.start()
    if match := _HALF_PYTHON.search(text, start):
        name, bracket = match[1], match[2]
        listed = text[match.start() : match.start(1)].rstrip().endswith("[")
        if listed or (name in tools if bracket else any(tool.startswith(name) for tool in tools)):
            yield match.start()
    if not tools and (match := PYTHON_CALL.match(text)) and match[1]:
        yield match.start()
    if match := _half_opening(own.name).search(text, start):
        yield match.start()
    for mark in marks_of(own.name):
        yield from (len(text) - size for size in range(1, len(mark)) if text.endswith(mark[:size]))


@cache
def _half_opening(name: str) -> re.Pattern[str]:
    """A tag of a format that is open at the end of a text, or a header before one."""
    form = FORMATS[name]
    tags = [rf"{re.escape(opening)}[^<>\n]{{0,300}}" for opening in form.openings if opening.startswith("<")]
    return re.compile(rf"(?:{'|'.join([*tags, *form.headers]) or '(?!)'})\Z")
