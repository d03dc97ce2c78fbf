"""Regular expressions of ECMA-262, which JSON Schema means, written for the engine of callproof.catalog.patterns.

The syntax is that of Unicode mode (`\\p{L}`, `\\u{1F600}`, `(?<year>...)`), and what browsers accept beside it where
that has one meaning: `\\-` and `\\@` are the character itself, `-` beside a class is a hyphen (`[\\w-.]`), a lone `{`
or `]` is itself. `\\d`, `\\w` and `\\b` know ASCII alone, `\\s` is every white space of Unicode, `$` is the very end.

What other languages add (`\\A`, `(?i)`, `(?P<year>...)`, `a++`, `{,3}`) is refused by name: it would mean something
else here. So is a back-reference to a group that may not have taken part, which engines answer in different ways.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

Ranges = list[tuple[int, int]]
"""Code points from the first to the second, both included."""

_LAST = 0x10FFFF
_DIGIT: Ranges = [(0x30, 0x39)]
_WORD: Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE: Ranges = [
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
]
_LINE_ENDS: Ranges = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]


def _others(ranges: Ranges) -> Ranges:
    starts = [0, *(last + 1 for _, last in ranges)]
    ends = [*(first - 1 for first, _ in ranges), _LAST]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]


_CLASSES = {"d": _DIGIT, "D": _others(_DIGIT), "w": _WORD, "W": _others(_WORD), "s": _SPACE, "S": _others(_SPACE)}
_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_OPENING = re.compile(r"\((?:\?(?::|=|!|<=|<!|<([^>]*)>)|(?!\?))")
_NAME = re.compile(r"[^\W\d]\w*")
_BRACES = re.compile(r"\{(\d+,?\d*|,\d+)\}", re.ASCII)
_QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,(\d*))?\})\??", re.ASCII)
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|c([A-Za-z])|0(?![0-9])")
_LOW_HALF = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_PROPERTY = re.compile(r"[pP]\{[A-Za-z0-9_=]+\}")


class BadPattern(ValueError):
    """No regular expression of ECMA-262, or one that cannot be searched in bounded time."""


def translate(pattern: str) -> str:
    """The pattern in the syntax of Rust's regular expressions.

    Raises:
        BadPattern: see the head of this module.
    """
    return _Translation(pattern).whole()


@dataclass(slots=True)
class _Group:
    """A group that is still open; `inside` are the numbers of the capturing groups that closed within it."""

    start: int
    number: int | None
    assertion: bool
    inside: list[int] = field(default_factory=list)
    branches: bool = False


class _Translation:
    """One pass over a pattern, from its first character to its last."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._place = pattern, 0
        self._parts: list[str] = []
        self._repeatable = False
        self._groups = [_Group(0, None, False)]
        self._names: dict[str, int] = {}
        self._count = 0
        self._certain: set[int] = set()
        self._last_closed: tuple[int, ...] = ()

    def whole(self) -> str:
        while self._place < len(self._pattern):
            self._next()
        if len(self._groups) > 1:
            raise self._bad("a group without end", self._groups[-1].start)
        return "".join(self._parts)

    def _bad(self, problem: str, place: int | None = None) -> BadPattern:
        at = self._place if place is None else place
        return BadPattern(f"{self._pattern!r} cannot be searched as ECMA-262 means it: {problem} at {at}")

    def _next(self) -> None:
        char = self._pattern[self._place]
        read = {
            **{"(": self._open, ")": self._close, "|": self._branch, "[": self._class, "\\": self._escape},
            **dict.fromkeys("*+?", self._quantify),
        }.get(char)
        if read:
            read()
        elif char == "{" and _BRACES.match(self._pattern, self._place):
            self._quantify()
        elif char in "^$":
            self._put(char, 1, repeatable=False)
        elif char == ".":
            self._put(_set(_others(_LINE_ENDS)), 1)
        else:
            self._put(_literal(ord(char)), 1)

    def _put(self, text: str, length: int, repeatable: bool = True) -> None:
        self._parts.append(text)
        self._place += length
        self._repeatable, self._last_closed = repeatable, ()

    def _open(self) -> None:
        opening = _OPENING.match(self._pattern, self._place)
        if opening is None:
            raise self._bad(f"{self._pattern[self._place : self._place + 4]!r}")
        text, name, number = opening[0], opening[1], None
        if text == "(" or name is not None:
            self._count += 1
            number = self._count
            if name is not None:
                self._name(name, number)
                text = "("
        self._groups.append(_Group(self._place, number, text[-1] in "=!"))
        self._put(text, len(opening[0]), repeatable=False)

    def _name(self, name: str, number: int) -> None:
        if not _NAME.fullmatch(name.replace("$", "_")):
            raise self._bad(f"the name {name!r} of a group")
        if name in self._names:
            raise self._bad(f"a second group of the name {name!r}")
        self._names[name] = number

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise self._bad("a ) without group")
        group = self._groups.pop()
        if group.branches or group.assertion:
            self._certain.difference_update(group.inside)
        closed = [*group.inside, *([group.number] if group.number else [])]
        if group.number:
            self._certain.add(group.number)
        self._groups[-1].inside += closed
        self._put(")", 1, repeatable=not group.assertion)
        self._last_closed = tuple(closed)

    def _branch(self) -> None:
        self._groups[-1].branches = True
        self._certain.difference_update(self._groups[-1].inside)
        self._put("|", 1, repeatable=False)

    def _quantify(self) -> None:
        quantifier = _QUANTIFIER.match(self._pattern, self._place)
        if quantifier is None:
            raise self._bad("a repetition without its least number, as {0,3} has it,")
        if not self._repeatable:
            raise self._bad(f"nothing to repeat before {quantifier[0]!r}")
        least, most = quantifier[2], quantifier[4] if quantifier[3] else quantifier[2]
        if least and most and int(most) < int(least):
            raise self._bad(f"{quantifier[0]!r}, which repeats at most less often than at least,")
        if quantifier[0][0] in "*?" or (least and not int(least)):
            self._certain.difference_update(self._last_closed)
        self._put(quantifier[0], len(quantifier[0]), repeatable=False)

    def _escape(self) -> None:
        rest = self._pattern[self._place + 1 :]
        if rest[:1] in ("b", "B"):
            self._put(_BOUNDARIES[rest[0]], 2, repeatable=False)
        elif rest[:1] in tuple("123456789k"):
            self._back_reference(rest)
        elif rest[:1] in _CLASSES:
            self._put(_set(_CLASSES[rest[0]]), 2)
        elif rest[:1] in ("p", "P"):
            text = self._property()
            self._put(text, len(text))
        else:
            code, length = self._character()
            self._put(_literal(code), length)

    def _back_reference(self, rest: str) -> None:
        reference = re.match(r"(\d+)|k<([^>]*)>", rest, re.ASCII)
        number = None
        if reference:
            number = int(reference[1]) if reference[1] else self._names.get(reference[2])
        if reference is None or number is None or not 0 < number <= self._count:
            raise self._bad("a back-reference to no group before it")
        if number not in self._certain or any(group.assertion for group in self._groups[1:] if self._behind(group)):
            raise self._bad("a back-reference to a group that may not have taken part")
        self._put(f"(?:\\{number})", len(reference[0]) + 1)

    def _behind(self, group: _Group) -> bool:
        return self._pattern.startswith("(?<", group.start)

    def _property(self) -> str:
        match = _PROPERTY.match(self._pattern, self._place + 1)
        if match is None:
            raise self._bad("a \\p without {name}")
        return f"\\{match[0]}"

    def _character(self, in_class: bool = False) -> tuple[int, int]:
        """The code point that an escape stands for, and the length of the escape."""
        code = _CODE.match(self._pattern, self._place + 1)
        char = self._pattern[self._place + 1 : self._place + 2]
        if code:
            return self._code_point(code)
        if char in _CONTROLS:
            return _CONTROLS[char], 2
        if in_class and char == "b":
            return 0x08, 2
        if not char or char.isalnum():
            raise self._bad(f"the escape \\{char}")
        return ord(char), 2

    def _code_point(self, code: re.Match[str]) -> tuple[int, int]:
        number = int(code[1] or code[2] or code[3] or "0", 16)
        length = len(code[0]) + 1
        if code[4]:
            return ord(code[4]) % 32, length
        if code[2] and 0xD800 <= number < 0xDC00 and (low := _LOW_HALF.match(self._pattern, self._place + length)):
            number = 0x10000 + ((number - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
            length += len(low[0])
        if number > _LAST or 0xD800 <= number < 0xE000:
            raise self._bad("half a surrogate pair or no code point")
        return number, length

    def _class(self) -> None:
        start = self._place
        self._place += 1
        negated = self._pattern.startswith("^", self._place)
        self._place += negated
        members: list[str | tuple[int, int]] = []
        while not self._pattern.startswith("]", self._place):
            if self._place >= len(self._pattern):
                raise self._bad("a [ without ]", start)
            self._member(members)
        text = "".join(member if isinstance(member, str) else _range(*member) for member in members)
        if not text:
            text, negated = _range(0, _LAST), not negated
        self._put(f"[{'^' * negated}{text}]", 1)

    def _member(self, members: list[str | tuple[int, int]]) -> None:
        """One character, class or range; a hyphen beside a class is itself."""
        first = self._class_atom()
        ranged = self._pattern.startswith("-", self._place) and not self._pattern.startswith("-]", self._place)
        if isinstance(first, str) or not ranged:
            members.append(first if isinstance(first, str) else (first, first))
            return
        self._place += 1
        last = self._class_atom()
        if isinstance(last, str):
            members += [(first, first), (0x2D, 0x2D), last]
        elif last < first:
            raise self._bad("a range that ends before it begins")
        else:
            members.append((first, last))

    def _class_atom(self) -> int | str:
        """A code point, or the text of a class."""
        char = self._pattern[self._place : self._place + 1]
        if not char:
            raise self._bad("a [ without ]")
        if char != "\\":
            self._place += 1
            return ord(char)
        escaped = self._pattern[self._place + 1 : self._place + 2]
        if escaped in _CLASSES:
            self._place += 2
            return "".join(_range(*ends) for ends in _CLASSES[escaped])
        if escaped in ("p", "P"):
            text = self._property()
            self._place += len(text)
            return text
        code, length = self._character(in_class=True)
        self._place += length
        return code


def _set(ranges: Iterable[tuple[int, int]]) -> str:
    return f"[{''.join(_range(*ends) for ends in ranges)}]"


def _range(first: int, last: int) -> str:
    return _literal(first) if first == last else f"{_literal(first)}-{_literal(last)}"


def _literal(code: int) -> str:
    return chr(code) if chr(code).isascii() and chr(code).isalnum() else f"\\x{{{code:X}}}"


_AFTER, _NOT_AFTER = f"(?<={_set(_WORD)})", f"(?<!{_set(_WORD)})"
_BEFORE, _NOT_BEFORE = f"(?={_set(_WORD)})", f"(?!{_set(_WORD)})"
_BOUNDARIES = {
    "b": f"(?:{_AFTER}{_NOT_BEFORE}|{_NOT_AFTER}{_BEFORE})",
    "B": f"(?:{_AFTER}{_BEFORE}|{_NOT_AFTER}{_NOT_BEFORE})",
}
