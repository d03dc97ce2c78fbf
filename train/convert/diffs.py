"""Unified diffs: what they change, their reverse, and the text that comes of one.

Hunks are applied at their very lines, without any fuzz: a diff that does not fit belongs to another text.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)", re.DOTALL)
_NO_NEWLINE = "\\"
_PAIRS = {"old mode ": "new mode ", "rename from ": "rename to ", "new file mode ": "deleted file mode "}
_PARTNERS = {**_PAIRS, **{new: old for old, new in _PAIRS.items()}}
_OF_ONE_FILE = ("new file mode ", "deleted file mode ")
_HEADS = (*_PARTNERS, "index ", "similarity index ", "dissimilarity index ")


class BadDiff(ValueError):
    """What is wrong with a diff, with the number of its line."""


class Binary(BadDiff):
    """A diff that holds binary content."""


class DoesNotFit(ValueError):
    """The text is not the one that a diff was made from."""


class Hunk(NamedTuple):
    """Lines with their marks (blank, -, + and the backslash of a missing line break), and where they begin, from 1."""

    old_start: int
    new_start: int
    heading: str
    lines: tuple[str, ...]

    def side(self, mark: str) -> list[str]:
        """The lines before (`-`) or after (`+`) the change, each with its line break."""
        side: list[str] = []
        last = ""
        for line in self.lines:
            if line[0] == _NO_NEWLINE and last in (" ", mark):
                side[-1] = side[-1].removesuffix("\n")
            elif line[0] in (" ", mark):
                side.append(line[1:] + "\n")
            last = line[0]
        return side


class FileDiff(NamedTuple):
    """The change of one file; `old` or `new` is None where the file is made or removed."""

    heads: tuple[str, ...]
    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]

    @property
    def path(self) -> str:
        return self.old or self.new or ""


def parse(text: str) -> list[FileDiff]:
    """The changes of a unified diff, with or without git's lines.

    Raises:
        BadDiff: another text, a hunk that is cut off, or nothing; `Binary`: binary content.
    """
    lines = _Lines(text)
    files: list[FileDiff] = []
    while lines.left():
        files.append(_file(lines))
    if not files:
        raise BadDiff("is empty")
    return files


class _Lines:
    def __init__(self, text: str) -> None:
        self._lines = text.rstrip("\n").split("\n") if text.strip() else []
        self.at = 0

    def left(self) -> bool:
        return self.at < len(self._lines)

    def begins(self, *words: str) -> bool:
        return self.left() and self._lines[self.at].startswith(words)

    def take(self) -> str:
        self.at += 1
        return self._lines[self.at - 1]

    def wrong(self, expected: str) -> BadDiff:
        line = self._lines[self.at] if self.left() else None
        return BadDiff(
            f"line {self.at + 1}: expected {expected}, got {f'{line[:60]!r}' if line is not None else 'its end'}"
        )


def _file(lines: _Lines) -> FileDiff:
    heads = _heads(lines)
    if lines.begins("Binary files ", "GIT binary patch"):
        raise Binary("binary content")
    if not lines.begins("--- "):
        if not heads or (lines.left() and not lines.begins("diff --git ")):
            raise lines.wrong("a unified diff of text, `--- path`")
        return FileDiff(heads, *_paths_of_heads(heads, lines), ())
    old = _path(lines.take()[4:], "a/")
    if not lines.begins("+++ "):
        raise lines.wrong("`+++ path`")
    new = _path(lines.take()[4:], "b/")
    hunks: list[Hunk] = []
    while lines.begins("@@ "):
        hunks.append(_hunk(lines))
    if not hunks or (old is None and new is None):
        raise lines.wrong("a hunk, `@@ -1,2 +1,2 @@`")
    return FileDiff(heads, old, new, tuple(hunks))


def _heads(lines: _Lines) -> tuple[str, ...]:
    """Git's lines before the paths."""
    heads = [lines.take()] if lines.begins("diff --git ") else []
    while heads and lines.begins(*_HEADS):
        heads.append(lines.take())
    return tuple(heads)


def _path(text: str, prefix: str) -> str | None:
    path = text.split("\t")[0].rstrip("\r")
    if path.startswith('"') and path.endswith('"'):
        path = (
            path[1:-1]
            .encode("latin-1", "replace")
            .decode("unicode_escape")
            .encode("latin-1")
            .decode("utf-8", "replace")
        )
    return None if path == "/dev/null" else path.removeprefix(prefix)


def _paths_of_heads(heads: tuple[str, ...], lines: _Lines) -> tuple[str | None, str | None]:
    """The paths of a change without hunks: a new mode, a rename, an empty file."""
    values = {prefix: line.removeprefix(prefix) for line in heads for prefix in _HEADS if line.startswith(prefix)}
    names = heads[0].removeprefix("diff --git ")
    half = len(names) // 2
    old = values.get("rename from ", names[:half].removeprefix("a/"))
    new = values.get("rename to ", names[half + 1 :].removeprefix("b/"))
    if "rename from " not in values and old != new:
        raise lines.wrong("`--- path`")
    return None if "new file mode " in values else old, None if "deleted file mode " in values else new


def _hunk(lines: _Lines) -> Hunk:
    header = _HUNK.fullmatch(lines.take())
    if not header:
        lines.at -= 1
        raise lines.wrong("`@@ -1,2 +1,2 @@`")
    left = {"-": int(header[2] or 1), "+": int(header[4] or 1)}
    body: list[str] = []
    while any(left.values()) or lines.begins(_NO_NEWLINE):
        if not lines.left():
            raise lines.wrong(f"{max(left.values())} more lines of the hunk")
        line = lines.take() or " "
        for mark in {" ": "-+", "-": "-", "+": "+", _NO_NEWLINE: ""}.get(line[0], "?"):
            if left.get(mark, 0) == 0:
                lines.at -= 1
                raise lines.wrong("a line of the hunk, or fewer of them")
            left[mark] -= 1
        body.append(line)
    return Hunk(int(header[1]), int(header[3]), header[5], tuple(body))


def written(files: list[FileDiff]) -> str:
    """The text of changes, each line with its line break."""
    return "".join(f"{line}\n" for file in files for line in _written(file))


def _written(file: FileDiff) -> Iterator[str]:
    yield from file.heads
    if file.hunks:
        yield f"--- {f'a/{file.old}' if file.old else '/dev/null'}"
        yield f"+++ {f'b/{file.new}' if file.new else '/dev/null'}"
    for hunk in file.hunks:
        counts = ["" if count == 1 else f",{count}" for count in (len(hunk.side(mark)) for mark in "-+")]
        yield f"@@ -{hunk.old_start}{counts[0]} +{hunk.new_start}{counts[1]} @@{hunk.heading}"
        yield from hunk.lines


def reversed_diff(files: list[FileDiff]) -> list[FileDiff]:
    """The changes that undo these."""
    return [
        FileDiff(tuple(_reversed_heads(file)), file.new, file.old, tuple(map(_reversed_hunk, file.hunks)))
        for file in files
    ]


def _reversed_heads(file: FileDiff) -> Iterator[str]:
    values = {
        prefix: line.removeprefix(prefix) for line in file.heads for prefix in _PARTNERS if line.startswith(prefix)
    }
    for line in file.heads:
        prefix = next((prefix for prefix in _HEADS if line.startswith(prefix)), "")
        if line.startswith("diff --git "):
            yield f"diff --git a/{file.new or file.old} b/{file.old or file.new}"
        elif prefix in _OF_ONE_FILE:
            yield f"{_PARTNERS[prefix]}{values[prefix]}"
        elif prefix in _PARTNERS:
            yield f"{prefix}{values[_PARTNERS[prefix]]}"
        elif prefix == "index ":
            hashes, *mode = line.removeprefix(prefix).split(" ")
            old, _, new = hashes.partition("..")
            yield " ".join([f"index {new}..{old}", *mode])
        else:
            yield line


def _reversed_hunk(hunk: Hunk) -> Hunk:
    """The removed lines come first in each run of changes, as `diff` writes them."""
    lines: list[str] = []
    for is_context, run in groupby(_with_marks(hunk.lines), key=lambda pair: pair[0] == " "):
        pairs = list(run)
        for mark, swapped in () if is_context else (("+", "-"), ("-", "+")):
            lines += [swapped + line[1:] if line[0] == mark else line for own, line in pairs if own == mark]
        lines += [line for _, line in pairs] if is_context else []
    return Hunk(hunk.new_start, hunk.old_start, hunk.heading, tuple(lines))


def _with_marks(lines: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(mark, line); a missing line break has the mark of the line that it is about."""
    mark = " "
    for line in lines:
        mark = mark if line[0] == _NO_NEWLINE else line[0]
        yield mark, line


def applied(file: FileDiff, text: str) -> str:
    """The text after a change.

    Raises:
        DoesNotFit: the lines before the change are other ones.
    """
    lines = text.split("\n")
    lines = [f"{line}\n" for line in lines[:-1]] + [lines[-1]] * bool(lines[-1])
    made: list[str] = []
    at = 0
    for hunk in file.hunks:
        before = hunk.side("-")
        start = hunk.old_start - 1 if before else hunk.old_start
        if start < at or lines[start : start + len(before)] != before:
            raise DoesNotFit(f"{file.path}: line {hunk.old_start}")
        made += [*lines[at:start], *hunk.side("+")]
        at = start + len(before)
    return "".join([*made, *lines[at:]])
