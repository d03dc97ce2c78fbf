"""Conversations with base and adapter: in the terminal, and side by side on a web page."""

from .answerer import Answerer
from .chat import Chat, Sampling
from .chat_loop import Conversing
from .snippet import snippet
from .ui import Page, pair_of, serve_page

__all__ = [
    "Answerer",
    "Chat",
    "Conversing",
    "Page",
    "Sampling",
    "pair_of",
    "serve_page",
    "snippet",
]
