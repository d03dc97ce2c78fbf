"""What people are told once a source of sessions is read: how it was read, and what of it was not."""

from collections import Counter

from callproof.console import say_once

from .forms import OWN, ReadRecord


class Told:
    """Counts over the records of a source; that all are in callproof's own form is nothing to tell."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._forms: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._unanswered = 0

    def add(self, record: ReadRecord) -> None:
        """Count one more record."""
        self._forms[record.form] += 1
        self._kept.update(record.kept)
        self._unread.update(record.unread)
        self._unanswered += all(message["role"] != "assistant" for message in record.fields["messages"])

    def say(self) -> None:
        """Say the counts on stderr, each line once."""
        if self._forms.keys() - {OWN}:
            say_once(f"{self._source}: read as: {_counts(self._forms, 'session')}")
        if self._kept:
            say_once(f"{self._source}: keys kept in metadata: {_counts(self._kept)}")
        if self._unread:
            say_once(f"{self._source}: keys of tools that are not read: {_counts(self._unread)}")
        if self._unanswered:
            say_once(f"{self._source}: {self._unanswered} without an answer: nothing to learn, nothing to judge")


def _counts(counts: Counter[str], unit: str = "") -> str:
    listed = [
        f"{name}, {count} {unit}{'s' * (count != 1)}" if unit else f"{name} ({count})"
        for name, count in counts.most_common()
    ]
    return ("; " if unit else ", ").join(listed)
