"""Whether catalogs and calls belong together: a tool that refuses all its calls, a catalog without the called tools."""

from collections import Counter

from .facts import Answer

MOST_NAMED = 3
"""How many places or names a line tells."""


class Fit:
    """Takes the sessions of one split, and then names the catalogs that no call fits."""

    def __init__(self) -> None:
        self._refused: dict[str, list[str]] = {}
        self._calls: Counter[str] = Counter()
        self._calling = 0
        self._strange: list[str] = []
        self._strange_names: dict[str, None] = {}

    def take(self, learnt: list[Answer], where: str) -> None:
        """Take one more session by the answers that training learns."""
        calls = [name for answer in learnt for name in answer.calls]
        if not calls:
            return
        known = frozenset(name for answer in learnt for name in answer.known)
        self._calling += 1
        if not known:
            self._strange.append(where)
            self._strange_names.update(dict.fromkeys(calls))
            return
        self._calls.update(calls)
        for name in (name for answer in learnt for name in answer.refused):
            if name in known:
                self._refused.setdefault(name, []).append(where)

    def sentences(self) -> tuple[str, ...]:
        """A line for each tool whose schema refuses all its calls, and one for catalogs that lack what is called."""
        lines = [
            f"{name}: its schema refuses all {len(places)} recorded calls of it, first at {_some(places)}"
            for name, places in self._refused.items()
            if len(places) == self._calls[name]
        ]
        if self._strange:
            lines.append(
                f"{len(self._strange)} of {self._calling} sessions with calls have a catalog that holds no tool they "
                f"call ({_some(list(self._strange_names))}), first at {_some(self._strange)}"
            )
        return tuple(lines)


def _some(names: list[str]) -> str:
    """The first few of some names, each once."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:MOST_NAMED]) + (" ..." if len(names) > MOST_NAMED else "")
