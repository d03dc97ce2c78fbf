"""Shared machinery of the domains: phrase banks, values, and the builder of one session.

The eval split must hold what training never showed. So every pool of values is cut in two (`Pool`, `held_out`), and a
phrase bank has phrases that only eval sessions use. A bank is text, one phrase a line under its `[name]`; a line that
begins with `~` is eval-only:

    [book]
    Can I test drive {car}{when}? {who}
    ~ May I try out {car}{when}? {who}
"""

import json
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

from callproof.turns import session_time

Split = Literal["train", "eval"]
T = TypeVar("T")

EVAL_ONLY_SHARE = 0.45
TYPO_SHARE = 0.07
MISSING_SHARE: dict[Split, float] = {"train": 0.45, "eval": 0.35}
"""Of requests that lack a required argument: to ask for it is what takes the most examples to learn."""


@dataclass(frozen=True)
class Phrase:
    """One way to say something, with `{slots}`; `eval_only` phrases are never used for training."""

    bank: str
    text: str
    eval_only: bool


Banks = dict[str, tuple[Phrase, ...]]


def read_banks(*texts: str) -> Banks:
    """Phrase banks by name, from texts in the form of the module's docstring."""
    banks: dict[str, list[Phrase]] = {}
    name = ""
    for line in "\n".join(texts).splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            banks[name] = []
        elif line.strip():
            banks[name].append(Phrase(name, line.removeprefix("~").strip(), line.startswith("~")))
    return {name: tuple(phrases) for name, phrases in banks.items()}


@dataclass(frozen=True)
class Pool:
    """Values of one kind, those of the training sessions apart from those of the eval sessions."""

    train: tuple[Any, ...]
    eval: tuple[Any, ...]


def held_out(value: object) -> bool:
    """Whether a number, date, time or id belongs to the eval split: a third of all, fixed by the value's own text."""
    return zlib.crc32(str(value).encode()) % 3 == 0


def with_typo(rng: random.Random, template: str) -> str:
    """The template with one slip of the keyboard in one of its own words; slots stay as they are."""
    words = [match.span() for match in re.finditer(r"(?<![{\w'’-])[a-z]{5,}(?![}\w'’-])", template)]
    if not words:
        return template
    start, end = rng.choice(words)
    spot = rng.randrange(start + 1, end - 2)
    left, right = template[spot], template[spot + 1]
    if rng.random() < 0.5 and left != right:
        return template[:spot] + right + left + template[spot + 2 :]
    return template[:spot] + template[spot + 1 :]


def tidy(text: str) -> str:
    """Empty slots leave blanks and commas before punctuation, and `25'000.-` may end a sentence; both are mended."""
    text = re.sub(r" +([,.?!:])", r"\1", " ".join(text.split()))
    return re.sub(r",+([,.?!:)])", r"\1", text).replace(".-.", ".-")


def price_text(rng: random.Random, amount: int | float) -> str:
    """An amount in francs as people in Switzerland write it: CHF 25'000, 25 000 francs, 25'000.- and so on."""
    apostrophe = f"{amount:,}".replace(",", "'")
    forms = ["CHF {0}", "CHF {0}", "{0} francs", "{0} CHF"]
    if isinstance(amount, int):
        forms += ["{0}.-", "Fr. {0}.-", "CHF {1}", "CHF {2}"]
    return rng.choice(forms).format(apostrophe, apostrophe.replace("'", " "), amount)


def grouped(number: int) -> str:
    """25000 -> 25'000."""
    return f"{number:,}".replace(",", "'")


@dataclass(frozen=True)
class Generated:
    """A session as written to the file, and the phrase behind each of its user messages."""

    session: dict[str, Any]
    phrases: tuple[Phrase, ...]

    def line(self) -> str:
        return json.dumps(self.session, ensure_ascii=False)


class Dialogue:
    """Builds one session of `turns` user messages; every random choice follows from `seed`."""

    def __init__(self, session_id: str, split: Split, banks: Banks, turns: int, seed: str) -> None:
        self.session_id = session_id
        self.split: Split = split
        self.rng = random.Random(seed)
        self.today = session_time(session_id).date()
        self.left = turns
        self.has_called = False
        self._banks = banks
        self._used: list[Phrase] = []
        self._messages: list[dict[str, Any]] = []
        self._tags: set[str] = set()

    @property
    def is_new(self) -> bool:
        return not self._messages

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def generated(self) -> Generated:
        session = {"session_id": self.session_id, "tags": sorted(self._tags), "messages": self._messages}
        return Generated(session, tuple(self._used))

    # Values

    def values(self, pool: Pool) -> tuple[Any, ...]:
        """The values of a pool that belong to this split."""
        return pool.train if self.split == "train" else pool.eval

    def pick(self, pool: Pool) -> Any:
        return self.rng.choice(self.values(pool))

    def draw(self, candidates: Sequence[T]) -> T:
        """One of the candidates that belong to this split."""
        while True:
            value = self.rng.choice(candidates)
            if held_out(value) == (self.split == "eval"):
                return value

    def other(self, value: T | None, candidates: Sequence[T]) -> T:
        """Like draw, but not `value`."""
        while (drawn := self.draw(candidates)) == value:
            pass
        return drawn

    def number(self, low: int, high: int, step: int) -> int:
        return self.draw(range(low, high + 1, step))

    def day_between(self, first: date, last: date) -> date:
        return date.fromordinal(self.number(first.toordinal(), last.toordinal(), 1))

    def identifier(self, prefix: str) -> str:
        return f"{prefix}-{self.number(1000, 9999, 1)}"

    def price(self, amount: int | float) -> str:
        return price_text(self.rng, amount)

    def kilometres(self, number: int) -> str:
        text = grouped(number)
        return f"{self.rng.choice([text, text, text.replace(chr(39), ' '), str(number)])} km"

    def date_text(self, day: date) -> str:
        return f"{day:%d.%m.%Y}" if self.chance(0.75) else f"{day.day} {day:%B %Y}"

    # Words

    def part(self, bank: str, **slots: object) -> str:
        """A piece of a sentence, or the assistant's text, from a bank."""
        return tidy(self._phrase(bank).text.format(**slots))

    def user(self, bank: str, **slots: object) -> None:
        """The user's next message, from a phrase of the bank."""
        phrase = self._phrase(bank)
        template = phrase.text
        if self.chance(TYPO_SHARE):
            template = with_typo(self.rng, template)
            if template != phrase.text:
                self._tags.add("typo")
        text = tidy(template.format(**slots))
        if self.is_new and not bank.startswith("talk") and self.chance(0.4):
            text = f"{self.part('hello')} {text}"
        self._used.append(phrase)
        self._messages.append({"role": "user", "content": text})
        self.left -= 1

    def assistant(self, bank: str, **slots: object) -> None:
        """The assistant's text; the banks of its texts are shared by both splits."""
        self._messages.append({"role": "assistant", "content": self.part(bank, **slots)})

    def calls(self, *calls: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
        """The assistant's calls in one message, then their results; arguments that are None are left out."""
        made = [{"name": name, "arguments": without_none(arguments)} for name, arguments, _ in calls]
        self._messages.append({"role": "assistant", "tool_calls": made})
        for name, _, result in calls:
            content = json.dumps(result, ensure_ascii=False)
            self._messages.append({"role": "tool", "name": name, "content": content})
        self.has_called = True
        if len(calls) > 1:
            self.tag("parallel")

    def tag(self, tag: str) -> None:
        self._tags.add(tag)

    def leave_out(self, *names: str) -> str:
        """Which required argument the user forgets to give: mostly none (""), never when no turn is left to give it."""
        return self.rng.choice(names) if self.left >= 2 and self.chance(MISSING_SHARE[self.split]) else ""

    def clarify(self, missing: str, **slots: object) -> None:
        """The assistant asks for what is missing, and the user supplies it."""
        self.tag("clarification")
        self.assistant(f"ask.{missing}")
        self.user(f"give.{missing}", **slots)

    def _phrase(self, bank: str) -> Phrase:
        phrases = self._banks[bank]
        fresh = [phrase for phrase in phrases if phrase.eval_only]
        if self.split == "eval" and fresh and self.chance(EVAL_ONLY_SHARE):
            return self.rng.choice(fresh)
        return self.rng.choice([phrase for phrase in phrases if not phrase.eval_only])


def without_none(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_none(value) if isinstance(value, dict) else value
        for name, value in arguments.items()
        if value is not None
    }


class Story:
    """What happens in one session of a domain: acts of one or two user turns until none is left."""

    idle_share = 0.26
    """Of user messages without clarifications: small talk and what is out of scope."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.d = dialogue
        self.done: set[str] = set()
        self.last = ""

    def acts(self) -> dict[str, float]:
        """Weight of each act, by the name of its method, that makes sense now."""
        raise NotImplementedError

    def play(self) -> None:
        while self.d.left:
            name = self._next()
            getattr(self, name)()
            self.done.add(name)
            self.last = name

    def _next(self) -> str:
        idle_ok = self.last not in ("small_talk", "out_of_scope") and (self.d.has_called or self.d.left > 1)
        if idle_ok and self.d.chance(self.idle_share):
            return "small_talk" if self.d.chance(0.45) else "out_of_scope"
        weights = self.acts()
        return self.d.rng.choices(list(weights), list(weights.values()))[0]

    def small_talk(self) -> None:
        kind = "start" if self.d.is_new else "middle" if self.d.left > 1 else "end"
        self.d.tag("small_talk")
        self.d.user(f"talk.{kind}")
        self.d.assistant(f"answer.talk.{kind}")

    def out_of_scope(self) -> None:
        raise NotImplementedError
