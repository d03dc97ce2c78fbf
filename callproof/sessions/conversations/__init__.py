"""Which records are one conversation, by what is said in them; the reader that makes one session of it."""

from .beginnings import beginnings
from .both_sides import Tale, Told
from .chains import Chains, Link
from .lines import Digest, Kept
from .reader import Account, merged_sessions, read_digests, read_sessions

__all__ = [
    "Account",
    "Chains",
    "Digest",
    "Kept",
    "Link",
    "Tale",
    "Told",
    "beginnings",
    "merged_sessions",
    "read_digests",
    "read_sessions",
]
