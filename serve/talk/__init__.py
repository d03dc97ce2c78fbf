"""Conversations with base and adapter: in the terminal, and side by side on a web page."""

from .answerer import Answerer
from .chat import Chat, Sampling
from .chat_loop import Conversing
from .local_model import answering, is_local, local_model
from .snippet import snippet
from .ui import Page, pair_of, serve_page

__all__ = [
    "Answerer",
    "Chat",
    "Conversing",
    "Page",
    "Sampling",
    "answering",
    "is_local",
    "local_model",
    "pair_of",
    "serve_page",
    "snippet",
]
