"""Small helpers for sentences."""

from collections.abc import Sequence


def article(noun: str) -> str:
    """`noun` with a or an, by its sound; SUV, MG and XC40 are spelt out."""
    return f"{'an' if noun.startswith(('A', 'E', 'I', 'O', 'a', 'e', 'i', 'o', 'SUV', 'MG', 'XC')) else 'a'} {noun}"


def listing(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
