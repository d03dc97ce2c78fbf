"""What the model is asked: the prompt assembly of a domain, and the tool-eval turns with their gold."""

from callproof.sessions import GoldCall

from .answers_compared import Fit, Greedy, Reference, ReferenceAnswers, ServedAnswers
from .base_files import ServedTemplate, chat_template, spells_by_neighbours
from .call_format import HERMES, CallFormat, call_format, prefills_thinking, readable_format
from .domain import (
    NO_TOOLS,
    Domain,
    digests_of_splits,
    held_out,
    sessions_of_splits,
    split_sessions,
    supervised,
    without_thinking,
)
from .gold import GoldLint, check_gold, lint_call, lint_gold, lint_message
from .prompt import Conversation, conversation, session_time, system_prompt, template_messages, wire_messages
from .turn_catalog import catalog_of
from .turns import (
    Turn,
    TurnPrompt,
    asked_sessions,
    decisions,
    digest,
    eval_turns,
    is_decision,
    read_turns,
    recorded_answers,
    restrains,
    turns_sentence,
)

__all__ = [
    "HERMES",
    "NO_TOOLS",
    "CallFormat",
    "Conversation",
    "Domain",
    "Fit",
    "GoldCall",
    "GoldLint",
    "Greedy",
    "Reference",
    "ReferenceAnswers",
    "ServedAnswers",
    "ServedTemplate",
    "Turn",
    "TurnPrompt",
    "asked_sessions",
    "call_format",
    "catalog_of",
    "chat_template",
    "check_gold",
    "conversation",
    "decisions",
    "digest",
    "digests_of_splits",
    "eval_turns",
    "held_out",
    "is_decision",
    "lint_call",
    "lint_gold",
    "lint_message",
    "prefills_thinking",
    "read_turns",
    "readable_format",
    "recorded_answers",
    "restrains",
    "session_time",
    "sessions_of_splits",
    "spells_by_neighbours",
    "split_sessions",
    "supervised",
    "system_prompt",
    "template_messages",
    "turns_sentence",
    "wire_messages",
    "without_thinking",
]
