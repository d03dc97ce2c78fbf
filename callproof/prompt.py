"""What an application sends to a served adapter, so that it asks exactly as training showed.

    from callproof.prompt import request

    body = request("datasets/hotel/config.yaml", [{"role": "user", "content": "A room in Bern, two nights?"}])
    answer = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="-").chat.completions.create(**body)

System prompt, date line, order and tools are put together by `callproof.turns.prompt`, as for training and evaluation.
docs/howto/deploy.md has a whole application.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from callproof.config import RunConfig, load
from callproof.endpoint import request as request_of_turn
from callproof.errors import UserError
from callproof.sessions import to_session
from callproof.turns import Conversation, Domain, Turn

WHERE = "messages"

Config = RunConfig | Path | str
History = Sequence[dict[str, Any]]


def messages(
    config: Config, history: History, *, at: datetime | str | None = None, session_id: str = "application"
) -> list[dict[str, Any]]:
    """The messages to send for a conversation so far: the system prompt as trained, then the conversation.

    Args:
        config: of the adapter; a file is read anew each time, so load it once (`callproof.config.load`).
        history: messages of user, assistant and tools in OpenAI's form, the oldest first, without a system prompt; one
            that is there stands as it is, as a session's own does.
        at: when the conversation began, for `prompt.date_line`: a datetime, or ISO 8601; default: now. Keep it through
            a conversation, and the server finds the beginning of the prompt in its cache.
        session_id: decides the order, where sections and tools are shuffled; any fixed text will do.

    Raises:
        UserError: a message that no session may hold, or a file of the domain that is missing or malformed.
    """
    return list(_conversation(_loaded(config), history, at, session_id).messages)


def request(
    config: Config,
    history: History,
    *,
    at: datetime | str | None = None,
    session_id: str = "application",
    model: str | None = None,
) -> dict[str, Any]:
    """The whole request, as keyword arguments of the openai package's `chat.completions.create`.

    With `prompt.catalog: tools` it carries the tools, and the server answers with `tool_calls`. Otherwise calls are
    text of the answer, which `callproof.calls.parse_answer` reads.

    Args:
        config, history, at, session_id: as of `messages`.
        model: name under which it is served; default: that of the configuration.

    Raises:
        UserError: as `messages`.
    """
    config = _loaded(config)
    whole = _conversation(config, history, at, session_id)
    turn = Turn(
        turn_id=session_id,
        session_id=session_id,
        position=len(history),
        messages=whole.messages,
        tools=whole.tools,
        gold=(),
        template_kwargs=whole.template_kwargs,
    )
    settings = {"max_tokens": config.eval.max_tokens, "temperature": config.eval.temperature}
    body = request_of_turn(turn, model or config.name, channel="served", **settings)
    del body["seed"]
    if kwargs := body.pop("chat_template_kwargs", None):
        body["extra_body"] = {"chat_template_kwargs": kwargs}
    return body


def _loaded(config: Config) -> RunConfig:
    return config if isinstance(config, RunConfig) else load(config)


def _conversation(config: RunConfig, history: History, at: datetime | str | None, session_id: str) -> Conversation:
    if not history:
        raise UserError(WHERE, "expected a message of the user, got none", "give the conversation so far")
    moment = datetime.now(ZoneInfo(config.prompt.timezone)) if at is None else at
    when = moment.isoformat() if isinstance(moment, datetime) else moment
    session = to_session({"session_id": session_id, "messages": list(history), "at": when}, WHERE, session_id)
    return Domain(config).conversation(session, WHERE)
