"""What tools that record requests write: a request and its response."""

from collections.abc import Iterator
from typing import Any

from ..talk import kind, refuse
from .form import Form, Placed, listed

_RESPONSE_METADATA = frozenset("id type object created model usage finish_reason stop_reason stop_sequence".split())


def _agent_session(record: dict[str, Any], where: str) -> Iterator[Placed]:
    """The messages of a request and of its response; other keys of the request (model, temperature) are ignored."""
    request, response = record["request"], record["response"]
    if not isinstance(request, dict):
        refuse(f"{where}: request", f"expected an object, got {kind(request)}")
    if request.get("system") is not None:
        yield "request.system", {"role": "system", "content": request["system"]}
    for number, message in enumerate(listed(request.get("messages"), f"{where}: request.messages")):
        yield f"request.messages.{number}", message
    if not isinstance(response, dict) or response.get("role", "assistant") != "assistant":
        refuse(f"{where}: response", "expected a message of the assistant", 'write {"role": "assistant", "content"}')
    if not response.get("content") and not response.get("tool_calls"):
        refuse(f"{where}: response", "expected content or tool_calls, got neither")
    message = {key: value for key, value in response.items() if key not in _RESPONSE_METADATA}
    yield "response", {"role": "assistant", **message}


FORMS = (Form(("request", "response"), (), _agent_session),)
