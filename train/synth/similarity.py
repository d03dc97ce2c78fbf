"""The most similar of many sessions, exactly (see callproof.sessions.likeness for the measure)."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from callproof.sessions import shingles


class Index:
    """Finds the most similar of many sessions through an inverted index of their shingles."""

    def __init__(self, sessions: Iterable[dict[str, Any]]) -> None:
        self._sizes: list[int] = []
        self._holders: dict[int, list[int]] = {}
        for session in sessions:
            self.add(session)

    def add(self, session: dict[str, Any]) -> None:
        """Take one more."""
        number, grams = len(self._sizes), shingles(session["messages"]).tolist()
        self._sizes.append(len(grams))
        for gram in grams:
            self._holders.setdefault(gram, []).append(number)

    def nearest(self, session: dict[str, Any]) -> float:
        """The highest similarity, 0 to 1, of `session` to any indexed one."""
        grams = shingles(session["messages"]).tolist()
        shared = Counter(number for gram in grams for number in self._holders.get(gram, ()))
        return max(
            (count / (len(grams) + self._sizes[number] - count) for number, count in shared.items()), default=0.0
        )
