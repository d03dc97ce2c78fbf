"""Patterns as they are searched, beside a JavaScript engine, whose regular expressions are those of ECMA-262."""

import json
import os
import re
import select
import shutil
import subprocess
from functools import cache
from random import Random
from typing import Any

from callproof.catalog import BadPattern, TooCostly, search

from .trial import Trial

ATOMS = (
    *(
        "a",
        "b",
        "ab",
        "A",
        "1",
        " ",
        "-",
        "_",
        ".",
        ",",
        "^",
        "$",
        "|",
        "*",
        "+",
        "?",
        "*?",
        "{2}",
        "{1,2}",
        "{0}",
        "{,2}",
    ),
    *("(", ")", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?<n>", "[", "]", "[^", "[ab]", "[^ab]", "[a-b1]", "[]", "[^]"),
    *(
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        r"\.",
        r"\-",
        r"\/",
        r"\1",
        r"\2",
        r"\k<n>",
        r"\n",
        r"\0",
    ),
    *(
        r"\x41",
        r"\u0061",
        r"\u{61}",
        r"\p{L}",
        r"\P{L}",
        r"\p{Lu}",
        r"\cA",
        "{",
        "}",
        "é",
        "😀",
        r"\uD83D\uDE00",
        r"\\",
    ),
    *("(?i)", "(?P<n>", r"\A", r"\Z", r"\h", "a++", "(a|ab)", "(a+)+", "(?:a|b)*", "[\\w-.]", "[\\d-z]", "[b-a]"),
)
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "aab",
    "ba",
    "aaaa",
    "A",
    "1",
    "a1",
    "a b",
    "-",
    "a-b",
    "_",
    ".",
    "\n",
    "a\n",
    "\u2028",
    "é",
    "😀",
)
"""Small ones, so that no engine takes long."""
PYTHON_ATOMS = (
    *(
        "a",
        "b",
        "1",
        " ",
        "-",
        "a*",
        "b+",
        "a?",
        "b*?",
        "[ab]{1,2}",
        "[ab]",
        "[^ab]",
        ".",
        "^",
        "(",
        "(?:",
        "(?=",
        "(?!",
    ),
    *(")", ")", ")", ")*", "|", r"\b", r"\B", r"\d", r"\w", r"\D", r"\W", "(?<=a)", "(?<!b)"),
)
PYTHON_TEXTS = tuple(text for text in TEXTS if text and text.isascii() and "\n" not in text)
"""Where these patterns mean the same in Python."""
_PROGRAM = r"""
const lines = require("readline").createInterface({input: process.stdin});
lines.on("line", line => {
  const [pattern, texts] = JSON.parse(line);
  let found = [];
  for (const flags of ["u", ""]) {
    try { const one = new RegExp(pattern, flags); found.push(texts.map(text => one.test(text))); }
    catch (error) { found.push(null); }
  }
  console.log(JSON.stringify(found));
});
"""


def trial(rng: Random) -> Trial:
    """One pattern, searched in some texts."""
    done = Trial()
    atoms, words = (PYTHON_ATOMS, PYTHON_TEXTS) if rng.random() < 0.4 else (ATOMS, TEXTS)
    pattern = "".join(rng.choice(atoms) for _ in range(rng.randrange(1, rng.choice((4, 9)))))
    texts = [rng.choice(words) + rng.choice(("", rng.choice(words))) for _ in range(6)]
    ours = [_searched(done, pattern, text) for text in texts]
    if None in ours:
        done.counts["refused patterns"] += 1
        return done
    python = _python(pattern, texts) if atoms == PYTHON_ATOMS else None
    for name, theirs in (("JavaScript", _javascript(pattern, texts)), ("Python", python)):
        if theirs is not None:
            done.counts[f"beside {name}"] += len(texts)
            done.expect(ours == theirs, f"{name} finds {theirs}, not {ours}", (pattern, texts))
    return done


def _searched(done: Trial, pattern: str, text: str) -> bool | None:
    return done.run((pattern, text), lambda: search(pattern, text), BadPattern, TooCostly)


def _python(pattern: str, texts: list[str]) -> list[bool] | None:
    try:
        found = re.compile(pattern, re.ASCII)
    except re.error:
        return None
    return [found.search(text) is not None for text in texts]


def _javascript(pattern: str, texts: list[str]) -> list[bool] | None:
    """What a JavaScript engine finds; None where it takes the pattern only in a way that means something else."""
    strict, loose = _Engine.one().asked([pattern, texts])
    plain = not re.search(r"\\[pPk]|\\u\{|\\uD8", pattern) and all(
        ord(char) < 2**16 for char in pattern + "".join(texts)
    )
    return strict if strict is not None else loose if plain else None


class _Engine:
    """A process of Node that answers one question at a time; without Node, nothing."""

    def __init__(self) -> None:
        node = shutil.which("node")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([node, "-e", _PROGRAM], **pipes) if node else None

    @staticmethod
    @cache
    def one() -> "_Engine":
        return _Engine()

    def asked(self, question: Any) -> tuple[Any, Any]:
        if self._process is None:
            return None, None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.write(self._process.stdin.fileno(), json.dumps(question).encode() + b"\n")
        if not select.select([self._process.stdout], [], [], 60)[0]:
            raise TimeoutError(f"Node does not answer {question!a}")
        strict, loose = json.loads(self._process.stdout.readline())
        return strict, loose
