"""Recorded conversations: the one reader of every accepted form, with `file:line` in each error."""

from .forms import IDS, KEYS
from .sessions import Message, Session, read_sessions, to_session
from .similarity import ALIKE, Alike, Corpus, shingles
from .sources import Found, Reader, is_dataset, read_records
from .talk import text_beside
from .user_module import builds_eval, module_sessions

__all__ = [
    "ALIKE",
    "IDS",
    "KEYS",
    "Alike",
    "Corpus",
    "Found",
    "Message",
    "Reader",
    "Session",
    "builds_eval",
    "is_dataset",
    "module_sessions",
    "read_records",
    "read_sessions",
    "shingles",
    "text_beside",
    "to_session",
]
