"""What the model is asked: the prompt assembly of a domain, and the tool-eval turns with their gold."""

from .domain import NO_TOOLS, Domain, split_sessions
from .prompt import Conversation, conversation, session_time, template_messages, wire_messages
from .turns import (
    GoldCall,
    Turn,
    TurnPrompt,
    check_gold,
    digest,
    eval_sessions,
    eval_turns,
    gold_problems,
    read_turns,
    unjudged_gold,
)

__all__ = [
    "NO_TOOLS",
    "Conversation",
    "Domain",
    "GoldCall",
    "Turn",
    "TurnPrompt",
    "check_gold",
    "conversation",
    "digest",
    "eval_sessions",
    "eval_turns",
    "gold_problems",
    "read_turns",
    "session_time",
    "split_sessions",
    "template_messages",
    "unjudged_gold",
    "wire_messages",
]
