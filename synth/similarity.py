"""How alike two sessions are: Jaccard similarity of their sets of word 5-grams (Broder 1997, "resemblance")."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

SHINGLE = 5


def shingles(session: dict[str, Any]) -> set[tuple[str, ...]]:
    """All runs of five words in a session: contents, calls and tool results, nothing masked."""
    words: list[str] = []
    for message in session["messages"]:
        text = message.get("content", "") + json.dumps(message.get("tool_calls", ()), ensure_ascii=False)
        words += re.findall(r"\w+", text.lower())
    return {tuple(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}


class Index:
    """Finds the most similar of many sessions through an inverted index of their shingles."""

    def __init__(self, sessions: Iterable[dict[str, Any]]) -> None:
        self._sizes: list[int] = []
        self._holders: dict[tuple[str, ...], list[int]] = {}
        for number, session in enumerate(sessions):
            grams = shingles(session)
            self._sizes.append(len(grams))
            for gram in grams:
                self._holders.setdefault(gram, []).append(number)

    def nearest(self, session: dict[str, Any]) -> float:
        """The highest similarity, 0 to 1, of `session` to any indexed one."""
        grams = shingles(session)
        shared = Counter(number for gram in grams for number in self._holders.get(gram, ()))
        return max(
            (count / (len(grams) + self._sizes[number] - count) for number, count in shared.items()), default=0.0
        )
