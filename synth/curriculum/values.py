"""Values of parameters as customers write them and as a tool wants them."""

import random
import string
from typing import Any

from synth.curriculum.lexicon import ADJECTIVES, GIVEN, NOUNS, invented

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


def code(rng: random.Random) -> str:
    letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
    digits = "".join(rng.choices(string.digits, k=rng.randint(2, 6)))
    return letters + rng.choice(("-", "", "-")) + digits


def date(rng: random.Random) -> tuple[str, str]:
    """(as a customer writes it, ISO 8601)."""
    year, month, day = rng.randint(1955, 2029), rng.randint(1, 12), rng.randint(1, 28)
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


def integer(rng: random.Random) -> tuple[str, int]:
    value = rng.choice((rng.randint(1, 9), rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 250000)))
    return (_grouped(rng, value) if value >= 1000 and rng.random() < 0.7 else str(value)), value


def amount(rng: random.Random) -> tuple[str, float]:
    if rng.random() < 0.25:
        value = rng.randint(1, 999) + rng.choice((0.5, 0.25, 0.05, 0.9))
        return rng.choice(("CHF {}", "{}", "{} francs")).format(f"{value:.2f}".rstrip("0")), value
    value = rng.choice(
        (rng.randint(5, 999), rng.randint(10, 99) * 100, rng.randint(5, 120) * 500, rng.randint(1000, 99999))
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


def say(kind: str, rng: random.Random) -> tuple[str, Any]:
    """(what the customer writes, the value that the tool gets) for a scalar kind."""
    made = SAYS[kind](rng)
    return made if isinstance(made, tuple) else (made, made)
