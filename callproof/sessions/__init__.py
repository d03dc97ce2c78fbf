"""Recorded conversations: the one reader of every accepted form, with `file:line` in each error."""

from .forms import FORMS, form_named
from .reading.text_calls import calls_in_text, text_beside
from .sessions import Message, Session, read_sessions, to_session
from .similarity import ALIKE, Alike, Corpus, shingles
from .sources import Found, Reader, is_dataset, read_records
from .user_module import module_sessions

__all__ = [
    "ALIKE",
    "FORMS",
    "Alike",
    "Corpus",
    "Found",
    "Message",
    "Reader",
    "Session",
    "calls_in_text",
    "form_named",
    "is_dataset",
    "module_sessions",
    "read_records",
    "read_sessions",
    "shingles",
    "text_beside",
    "to_session",
]
