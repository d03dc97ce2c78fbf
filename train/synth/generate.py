"""The sessions of a domain: how many, how long, and none of the eval split too like one of the training split."""

from functools import cache

from .dialogue import Dialogue, Generated, Split
from .domains import DOMAINS
from .similarity import Index

SIZES: dict[Split, int] = {"train": 720, "eval": 160}
LENGTHS: dict[Split, tuple[int, ...]] = {
    "train": (6, 5, 6, 4, 6, 5, 3, 6, 5, 6, 2, 5),
    "eval": (4, 6, 3, 5, 4, 6, 2, 5, 6, 3, 4, 5),
}
"""User messages of sessions 1, 2, ...: every dozen has the same mix. Longer ones teach more for the same catalog."""

MAX_SIMILARITY = 0.4


def one_session(domain: str, split: Split, number: int, attempt: int = 0) -> Generated:
    """Session `number` (from 1) of a split."""
    session_id = f"{domain}-{split}-{number:04}"
    lengths = LENGTHS[split]
    turns = lengths[(number - 1) % len(lengths)]
    dialogue = Dialogue(session_id, split, DOMAINS[domain].banks, turns, f"{session_id}#{attempt}")
    DOMAINS[domain].story(dialogue).play()
    return dialogue.generated()


@cache
def sessions(domain: str, split: Split) -> tuple[Generated, ...]:
    """All sessions of a split; an eval session that resembles a training session is drawn again."""
    if split == "train":
        return tuple(one_session(domain, split, number) for number in range(1, SIZES[split] + 1))
    index = Index(generated.session for generated in sessions(domain, "train"))
    return tuple(unlike(domain, number, index) for number in range(1, SIZES[split] + 1))


def unlike(domain: str, number: int, index: Index) -> Generated:
    """Eval session `number`, drawn until it resembles none that is indexed."""
    attempt = 0
    while True:
        generated = one_session(domain, "eval", number, attempt)
        if index.nearest(generated.session) < MAX_SIMILARITY:
            return generated
        attempt += 1
