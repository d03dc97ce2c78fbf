"""Values of parameters as customers write them and as a tool wants them."""

import calendar
import random
import string
from typing import Any

from .lexicon import ADJECTIVES, GIVEN, NOUNS, invented

_MONTHS = "January February March April May June July August September October November December".split()


def person(rng: random.Random) -> str:
    first = rng.choice(GIVEN) if rng.random() < 0.4 else invented(rng)
    return f"{first} {invented(rng)}" if rng.random() < 0.8 else first


def title(rng: random.Random) -> str:
    """One to three words, made up or plain, with or without capitals."""
    words = [rng.choice((invented(rng), invented(rng), rng.choice(NOUNS), rng.choice(ADJECTIVES)))]
    while len(words) < 3 and rng.random() < 0.35:
        words.append(rng.choice((invented(rng), rng.choice(NOUNS))))
    if rng.random() < 0.15:
        words.append(str(rng.randint(1, 99)))
    return " ".join(word.capitalize() for word in words) if rng.random() < 0.8 else " ".join(words)


def codes(rng: random.Random, owner: str, count: int) -> list[str]:
    """Ids of one kind: they differ in their digits alone, and mostly begin with the first letter of `owner`."""
    letters = (
        owner[:1].upper() if rng.random() < 0.7 else "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
    )
    start, size = letters + rng.choice(("-", "", "-")), rng.choice((3, 4, 4, 4, 5, 6))
    return [f"{start}{number:0{size}}" for number in rng.sample(range(10**size), count)]


def code(rng: random.Random, owner: str = "") -> str:
    """An id of `owner`, a parameter or a thing; of nothing in particular without it."""
    return codes(rng, owner or rng.choice(string.ascii_uppercase), 1)[0]


def date(rng: random.Random) -> tuple[str, str]:
    """(as a customer writes it, ISO 8601)."""
    year, month = rng.randint(1955, 2029), rng.randint(1, 12)
    day = rng.randint(1, calendar.monthrange(year, month)[1])
    name = _MONTHS[month - 1]
    said = rng.choice(
        (
            f"{day:02}.{month:02}.{year}",
            f"{day:02}.{month:02}.{year}",
            f"{day}.{month}.{year}",
            f"{day} {name} {year}",
            f"{day}. {name} {year}",
            f"{name} {day}, {year}",
            f"{year}-{month:02}-{day:02}",
        )
    )
    return said, f"{year}-{month:02}-{day:02}"


def clock(rng: random.Random) -> tuple[str, str]:
    hour, minute = rng.randint(7, 20), rng.choice((0, 15, 30, 45, 10, 20, 40))
    exact = f"{hour:02}:{minute:02}"
    return rng.choice((exact, exact, f"{hour:02}.{minute:02}")), exact


def integer(rng: random.Random, name: str = "") -> tuple[str, int]:
    """A count, mostly small; a year where `name` says so."""
    if name.endswith("year"):
        value = rng.randint(1950, 2030)
        return str(value), value
    ranges = ((1, 9), (1, 9), (1, 99), (1, 99), (100, 999), (1000, 9999), (10000, 250000))
    value = rng.randint(*rng.choice(ranges))
    return (_grouped(rng, value) if value >= 1000 and rng.random() < 0.7 else str(value)), value


def amount(rng: random.Random) -> tuple[str, float]:
    if rng.random() < 0.25:
        value = rng.randint(1, 999) + rng.choice((0.5, 0.25, 0.05, 0.9))
        return rng.choice(("CHF {}", "{}", "{} francs")).format(f"{value:.2f}".rstrip("0")), value
    value = rng.choice(
        (
            rng.randint(5, 999),
            rng.randint(10, 99) * 100,
            rng.randint(5, 120) * 500,
            rng.randint(1000, 99999),
            rng.randint(100, 3000) * 1000,
        )
    )
    shape = rng.choice(("CHF {}", "{}", "{} francs", "{}.-", "{} CHF", "Fr. {}"))
    return shape.format(_grouped(rng, value) if value >= 1000 else value), value


def _grouped(rng: random.Random, value: int) -> str:
    return f"{value:,}".replace(",", rng.choice(("'", "'", "’", " ", "")))


def number(rng: random.Random) -> tuple[str, float]:
    value = round(rng.uniform(0.5, 99), 1)
    return f"{value:g}", value


def email(rng: random.Random) -> str:
    first, last = invented(rng, capital=False), invented(rng, capital=False)
    return (
        f"{first}{rng.choice(('.', '_', ''))}{last}@{invented(rng, capital=False)}.{rng.choice(('ch', 'com', 'org'))}"
    )


def phone(rng: random.Random) -> str:
    groups = (rng.randint(100, 999), rng.randint(10, 99), rng.randint(10, 99))
    start = rng.choice(("076", "078", "079", "+41 79", "044", "031"))
    return f"{start} {groups[0]} {groups[1]} {groups[2]}"


def remark(rng: random.Random) -> str:
    """Two to five words of free text."""
    words = [
        rng.choice((rng.choice(ADJECTIVES), rng.choice(NOUNS), invented(rng, False))) for _ in range(rng.randint(2, 5))
    ]
    return " ".join(words)


SAYS: dict[str, Any] = {
    "person": person, "text": title, "code": code, "date": date, "time": clock, "int": integer, "amount": amount,
    "number": number, "email": email, "phone": phone, "note": remark,
}  # fmt: skip


def say(kind: str, rng: random.Random, name: str) -> tuple[str, Any]:
    """(what the customer writes, the value that the tool gets) for a scalar parameter of that kind and name."""
    made = SAYS[kind](rng, name) if kind in ("int", "code") else SAYS[kind](rng)
    return made if isinstance(made, tuple) else (made, made)
