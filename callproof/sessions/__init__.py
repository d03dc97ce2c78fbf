"""Recorded conversations: the one reader of every accepted form, with `file:line` in each error."""

from .acceptance import Acceptance, GoldCall
from .conversations import (
    Account,
    Chains,
    Digest,
    Kept,
    Link,
    Tale,
    Told,
    beginnings,
    merged_sessions,
    read_digests,
    read_sessions,
)
from .dates import is_day
from .forms import FORMS, IDS, form_named
from .likeness import ALIKE, Alike, Corpus, Outline, contained_in, duplicates, leaks, shingles
from .logs import NAMING, Exchange, NoGold, gold_answer, read_exchange
from .many import Texts
from .question import asked
from .reading.dialects import INSTRUCTIONS
from .reading.recorded_calls import recorded_call
from .reading.text_calls import calls_in_text, text_beside
from .reading.tools import brought_tools
from .rejected import Rejected
from .sessions import Message, Session, is_logged, to_session
from .sources import Found, Raw, RawReader, Reader, is_dataset, opened, read_raw, read_records
from .user_module import builds_eval, module_sessions

__all__ = [
    "ALIKE",
    "FORMS",
    "IDS",
    "INSTRUCTIONS",
    "NAMING",
    "Acceptance",
    "Account",
    "Alike",
    "Chains",
    "Corpus",
    "Digest",
    "Exchange",
    "Found",
    "GoldCall",
    "Kept",
    "Link",
    "Message",
    "NoGold",
    "Outline",
    "Raw",
    "RawReader",
    "Reader",
    "Rejected",
    "Session",
    "Tale",
    "Texts",
    "Told",
    "asked",
    "beginnings",
    "brought_tools",
    "builds_eval",
    "calls_in_text",
    "contained_in",
    "duplicates",
    "form_named",
    "gold_answer",
    "is_dataset",
    "is_day",
    "is_logged",
    "leaks",
    "merged_sessions",
    "module_sessions",
    "opened",
    "read_digests",
    "read_exchange",
    "read_raw",
    "read_records",
    "read_sessions",
    "recorded_call",
    "shingles",
    "text_beside",
    "to_session",
]
