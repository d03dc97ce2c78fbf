"""Sessions of training shown before each conversation: what examples do for a model that has not learnt them."""

from itertools import islice, takewhile
from typing import Any

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import INSTRUCTIONS
from callproof.turns import Domain, Turn, split_sessions

Messages = tuple[dict[str, Any], ...]


def example_messages(config: RunConfig) -> Messages:
    """The messages of the first `eval.examples` training sessions that call a tool, as requests carry them.

    Their system prompts are left out: a request has that of its own session.

    Raises:
        UserError: there are fewer such sessions, or one cannot be read.
    """
    wanted, domain = config.eval.examples, Domain(config)
    if not wanted:
        return ()
    calling = ((where, session) for where, session in split_sessions(config, "train") if session.calls_tools)
    shown = [domain.conversation(session, where).messages for where, session in islice(calling, wanted)]
    if len(shown) < wanted:
        source = config.data.source("train")
        problem = f"expected {wanted} sessions that call a tool, {source} holds {len(shown)}"
        raise UserError("eval.examples", problem, "lower it")
    return tuple(message for messages in shown for message in messages if message["role"] not in INSTRUCTIONS)


def after_examples(turn: Turn, examples: Messages) -> Turn:
    """The turn as it is asked: its system prompt, the examples, its own conversation."""
    if not examples:
        return turn
    instructions = list(takewhile(lambda message: message["role"] in INSTRUCTIONS, turn.messages))
    return turn.model_copy(update={"messages": (*instructions, *examples, *turn.messages[len(instructions) :])})
