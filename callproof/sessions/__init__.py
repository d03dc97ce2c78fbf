"""Recorded conversations: the one reader of every accepted form, with `file:line` in each error."""

from .acceptance import Acceptance, GoldCall
from .forms import KEYS
from .sessions import Message, Session, read_sessions, to_session
from .similarity import ALIKE, Alike, Corpus, shingles
from .sources import Found, Reader, is_dataset, read_records
from .talk import text_beside
from .user_module import module_sessions

__all__ = [
    "ALIKE",
    "KEYS",
    "Acceptance",
    "Alike",
    "Corpus",
    "Found",
    "GoldCall",
    "Message",
    "Reader",
    "Session",
    "is_dataset",
    "module_sessions",
    "read_records",
    "read_sessions",
    "shingles",
    "text_beside",
    "to_session",
]
