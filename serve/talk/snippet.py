"""A request as an application sends it to a served adapter, in shell or Python; it runs without callproof."""

import json
import pprint
import shlex
from datetime import datetime
from typing import Any, Literal

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.prompt import request
from callproof.turns import split_sessions

Language = Literal["curl", "python"]

_CURL = """\
curl --silent {url} \\
  --header 'Content-Type: application/json' --header "Authorization: Bearer ${{VLLM_API_KEY:-none}}" \\
  --data-binary {body}"""
_PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(base_url={url!r}, api_key=os.environ.get("VLLM_API_KEY") or "none")
body = {body}
print(client.chat.completions.create(**body).choices[0].message.model_dump_json(exclude_none=True))"""


def snippet(
    config: RunConfig, root: str, language: Language, question: str | None = None, at: datetime | None = None
) -> str:
    """The text to run.

    Args:
        root: address of the server.
        question: what the user says; default: how the first eval session begins.
        at: when, see `callproof.prompt.messages`.

    Raises:
        UserError: as `callproof.prompt.messages`.
    """
    said = question if question is not None else first_question(config)
    body = request(config, [{"role": "user", "content": said}], at=at)
    base = f"{root.rstrip('/').removesuffix('/v1')}/v1"
    if language == "python":
        return _PYTHON.format(url=base, body=pprint.pformat(body, width=110, sort_dicts=False))
    flat: dict[str, Any] = {**body.pop("extra_body", {}), **body}
    text = json.dumps(flat, ensure_ascii=False, indent=1)
    return _CURL.format(url=shlex.quote(f"{base}/chat/completions"), body=shlex.quote(text))


def first_question(config: RunConfig) -> str:
    """How the first eval session begins, or a greeting where there is none."""
    try:
        _, session = next(split_sessions(config, "eval"))
    except (UserError, StopIteration):
        return "Hello"
    return next(message.content for message in session.messages if message.role == "user")
