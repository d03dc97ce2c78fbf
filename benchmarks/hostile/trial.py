"""What one trial of a part is made of: random JSON values and texts, spoiled; what it counts, and what it finds."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from callproof.deadline import deadline

BUDGET_S = 1.0
"""Seconds of processor time for one input."""
_ENDLESS_S = 20.0

WORDS = ("a", "n", "city", "name", "arguments", "true", "null", "None", "3", "-0", "1e5", "2026-01-05", "it's", "é", "")
MARKS = ("<", ">", "</", "{", "}", "[", "]", '"', "'", "\\", "\n", "\t", " ", ",", ":", "=", "(", ")", "`", "|", "😀")
CHARACTERS = "\x00\x1c\x7f\x85\u2028\u200b\ufeff\ufffe\ufffd\ud83d\ude00\U0010ffff日"


@dataclass
class Trial:
    """What came of one trial: numbers by name, and each fault in a line that shows its input."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def expect(self, good: bool, fault: str, shown: Any) -> None:
        """Note a fault with its input, unless all is good."""
        if not good:
            self.faults.append(f"{fault}: {shown!a}")

    def run(
        self, shown: Any, function: Callable[[], Any], *refusals: type[Exception], budget_s: float = BUDGET_S
    ) -> Any:
        """One input: the result of a function, or None where it raises one of its refusals.

        Anything else that it raises is a fault, and so is more processor time than its budget.
        """
        self.counts["inputs"] += 1
        began = time.process_time()
        try:
            with deadline(max(_ENDLESS_S, 2 * budget_s), of_processor=True):
                result = function()
        except refusals:
            self.counts["refused"] += 1
            result = None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.faults.append(f"{type(error).__name__}: {str(error)[:300]!a}: {shown!a}")
            result = None
        took = time.process_time() - began
        self.expect(took <= budget_s, f"took {took:.1f} s", shown)
        return result


def json_value(rng: Random, depth: int = 3, text: Callable[[Random], str] | None = None) -> Any:
    """Any JSON value, nested at most so deep."""
    kind = rng.randrange(10 if depth else 7)
    if kind < 2:
        return (text or plain_text)(rng)
    if kind < 7:
        numbers = (rng.randrange(-9, 99), rng.uniform(-1e3, 1e3), rng.getrandbits(70), 1e300, -0.0, True, False, None)
        return rng.choice(numbers)
    if kind < 8:
        return [json_value(rng, depth - 1, text) for _ in range(rng.randrange(4))]
    return {
        rng.choice("abcdefgh") * rng.randrange(1, 4): json_value(rng, depth - 1, text) for _ in range(rng.randrange(4))
    }


def plain_text(rng: Random) -> str:
    """Words and marks as any text may hold them."""
    return "".join(rng.choice((*WORDS, *MARKS)) for _ in range(rng.choice((0, 1, 1, 2, 3, 8))))


def spoiled_text(rng: Random, text: str, atoms: Sequence[str]) -> str:
    """A text with up to five faults: pieces lost, doubled, foreign, cut off."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, size = rng.randrange(len(text) + 1), rng.choice((1, 1, 2, 5, 30))
        piece = rng.choice(("", text[at : at + size] * 2, rng.choice(atoms), rng.choice(MARKS), rng.choice(CHARACTERS)))
        text = text[:at] + piece + text[at + rng.choice((0, size)) :]
        if rng.random() < 0.05:
            text = text[: rng.randrange(len(text) + 1)]
    return text


def spoiled_value(rng: Random, value: Any, foreign: Callable[[Random], Any] = json_value) -> Any:
    """A JSON value with one part lost, doubled, renamed, or in the place of another."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return foreign(rng)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key = rng.choice(list(copy)) if isinstance(copy, dict) else rng.randrange(len(copy))
    how = rng.random()
    if how < 0.65:
        copy[key] = spoiled_value(rng, copy[key], foreign)
    elif how < 0.8:
        del copy[key]
    elif isinstance(copy, dict):
        copy[rng.choice(("role", "content", "tools", "id", "type", "x"))] = copy.pop(key)
    else:
        copy.append(copy[key])
    return copy


def dumped(rng: Random, value: Any) -> str:
    """A value as JSON, in one of the ways of writing it."""
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, separators=rng.choice(((",", ":"), (", ", ": "))))
