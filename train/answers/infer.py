"""One answer of a trained adapter, or of a merged model, without a server: a quick look at what it says.

The prompt is assembled as for training and evaluation (see callproof/turns/prompt.py), as a session of one message; the
answer is parsed as evaluation parses it, and its calls are checked against the catalog.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from callproof.calls import MalformedCall, ToolCall, parse_answer
from callproof.catalog import Catalog, read_catalog
from callproof.config import PromptConfig, RunConfig
from callproof.errors import UserError
from callproof.records import refuse_half_characters
from callproof.sessions import Message, Session
from callproof.turns import Conversation, Domain, conversation

from .generation import Speaker, Wanted

SESSION_ID = "infer"


def make_conversation(
    prompt: str, config: RunConfig | None, system: str | None, tools: Path | None
) -> tuple[Conversation, Catalog]:
    """The conversation that `prompt` opens, and its catalog.

    Args:
        prompt: what the user says.
        config: its domain gives system prompt and catalog; without it only `system` and `tools` do.
        system: a system prompt in place of the domain's, taken as it stands.
        tools: a tools.json in place of the domain's.

    Raises:
        UserError: the prompt is empty, or a file is missing or malformed.
    """
    for where, text in (("--prompt", prompt), ("--system", system or "")):
        refuse_half_characters(text, where)
    if not prompt.strip():
        raise UserError("--prompt", "is empty", "say something")
    catalog = read_catalog(tools) if tools else None if config else Catalog(tools=())
    question = (Message(role="user", content=prompt),)
    session = Session(
        session_id=SESSION_ID, system=system if config else system or "", tools=catalog, messages=question
    )
    if config:
        domain = Domain(config)
        return domain.conversation(session, "--prompt"), domain.catalog(session, "--prompt")
    assert catalog is not None
    return conversation(session, "", catalog, PromptConfig()), catalog


def answer(speaker: Speaker, talk: Conversation, wanted: Wanted) -> tuple[str, str, str]:
    """Answer a conversation; the text is also streamed to stderr as it comes.

    Returns:
        (text, finish reason "stop" or "length", name of the format of its calls).

    Raises:
        UserError: prompt and answer do not fit into the model's context.
    """
    prompt = speaker.prompt(talk, wanted.max_tokens)
    generated = speaker.answer(prompt, wanted, partial(print, file=sys.stderr, end="", flush=True))
    print(file=sys.stderr, flush=True)
    format = speaker.encoder.format_of("text" if talk.calls_in_text else "tools") or "hermes"
    return generated.text, generated.finish_reason, format


def judged(text: str, finish_reason: str, format: str, catalog: Catalog) -> dict[str, Any]:
    """The answer as JSON: its text, calls, malformed calls, and what the catalog finds wrong with the calls."""
    parsed = parse_answer(text, finish_reason, format, catalog.parameters)
    malformed = [call for call in parsed.calls if isinstance(call, MalformedCall)]
    calls = [call for call in parsed.calls if not isinstance(call, MalformedCall)]
    return {
        "text": text,
        "finish_reason": finish_reason,
        "calls": [call.model_dump(mode="json") for call in calls],
        "malformed": [call.model_dump(mode="json") for call in malformed],
        "problems": [f"{call.name}: {problem}" for call in calls for problem in _problems(call, catalog)],
    }


def _problems(call: ToolCall, catalog: Catalog) -> list[str]:
    validity = catalog.validity_in_time(call)
    return [*validity.problems, *([f"not checked: {validity.unjudged}"] if validity.unjudged else [])]
