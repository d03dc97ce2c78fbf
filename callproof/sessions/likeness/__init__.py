"""How alike sessions are, by the sets of runs of five words that they hold: near-duplicates, and what holds another."""

from .containment import contained_in
from .corpus import Alike, Corpus
from .leaks import leaks
from .nearest import ALIKE, duplicates, like
from .outline import Outline, shingles

__all__ = ["ALIKE", "Alike", "Corpus", "Outline", "contained_in", "duplicates", "leaks", "like", "shingles"]
