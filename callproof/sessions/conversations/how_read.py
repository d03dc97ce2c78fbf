"""What people are told once a source of sessions is read: how it was read, and what of it was not."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ..forms import OWN, ReadRecord

LOGGED = "logged requests"


class ReadAs(NamedTuple):
    """How a record was read: the title of its form, the keys kept as metadata, those of its tools that are not read."""

    form: str
    kept: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    is_unanswered: bool = False

    @classmethod
    def of(cls, record: ReadRecord) -> "ReadAs":
        unanswered = all(message["role"] != "assistant" for message in record.fields["messages"])
        return cls(record.form, record.kept, record.unread, unanswered)


class HowRead:
    """Counts over the records of a source; that all are in callproof's own form is nothing to tell."""

    def __init__(self) -> None:
        self.forms: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._unanswered = 0

    def add(self, record: "ReadAs") -> None:
        """Count one more record."""
        self.forms[record.form] += 1
        if record.kept or record.unread:
            self._kept.update(record.kept)
            self._unread.update(record.unread)
        self._unanswered += record.is_unanswered

    def sentences(self, source: str) -> Iterator[str]:
        """What is to be said of the source."""
        if self.forms.keys() - {OWN, LOGGED}:
            told = [f"{form}, {count} {_unit(form)}{'s' * (count != 1)}" for form, count in self.forms.most_common()]
            yield f"{source}: read as: {'; '.join(told)}"
        if self._kept:
            yield f"{source}: keys kept in metadata: {_counts(self._kept)}"
        if self._unread:
            yield f"{source}: keys of tools that are not read: {_counts(self._unread)}"
        if self._unanswered:
            yield f"{source}: {self._unanswered} without an answer: nothing to learn, nothing to judge"


def _unit(form: str) -> str:
    return "line" if form == LOGGED else "session"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())
