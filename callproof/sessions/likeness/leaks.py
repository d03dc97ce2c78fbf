"""What a split shares with another one that it must be apart from."""

from .containment import contained_in
from .corpus import Alike, Corpus
from .nearest import like


def leaks(corpus: Corpus, other: Corpus) -> list[Alike]:
    """Every session that is like one of another corpus, with the likest of those found; else one that holds it."""
    alike = {pair.number: pair for pair in (*contained_in(corpus, other), *like(corpus, other))}
    return [alike[number] for number in sorted(alike)]
