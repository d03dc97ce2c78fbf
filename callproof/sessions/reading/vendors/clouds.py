"""Messages of Gemini (`parts`) and of Bedrock's Converse API, whose parts have no type but a key that names them."""

from typing import Any


def typed_parts(message: dict[str, Any]) -> dict[str, Any]:
    """A message with parts as Anthropic types them; one without such parts stays as it is."""
    if isinstance(parts := message.get("parts"), list) and "content" not in message:
        message = {**{key: value for key, value in message.items() if key != "parts"}, "content": parts}
    content = message.get("content")
    if not isinstance(content, list) or not any(isinstance(part, dict) and "type" not in part for part in content):
        return message
    return {**message, "content": [_typed(part) for part in content]}


def _typed(part: Any) -> Any:
    """A part with its type; one that is not known stays as it is, and is refused where its message is read."""
    if not isinstance(part, dict) or "type" in part:
        return part
    held = {key: value for key, value in part.items() if value is not None}
    if held.keys() == {"text"}:
        return {"type": "text", "text": held["text"]}
    if held.pop("thought", False) is True and held.keys() == {"text"}:
        return {"type": "thinking", "thinking": held["text"]}
    key = next(iter(held)) if len(held) == 1 else ""
    inner = held.get(key)
    if isinstance(inner, dict) and key in _INNER:
        return _INNER[key](inner)
    return part


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """A call of Gemini (`functionCall`) or Bedrock (`toolUse`)."""
    call_id, arguments = call.get("id", call.get("toolUseId")), call.get("args", call.get("input"))
    return {"type": "tool_use", "id": call_id, "name": call.get("name"), "input": arguments}


def _response(result: dict[str, Any]) -> dict[str, Any]:
    """A result of Gemini: an object of its own."""
    return {"type": "tool_result", "tool_use_id": result.get("id"), "name": result.get("name"),
            "content": result.get("response")}  # fmt: skip


def _result(result: dict[str, Any]) -> dict[str, Any]:
    """A result of Bedrock: parts, each text or JSON; a single JSON value is the result itself."""
    parts = result.get("content")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) and "json" in parts[0]:
        parts = parts[0]["json"]
    elif isinstance(parts, list):
        parts = [_typed(part) for part in parts]
    more = {"is_error": True} if result.get("status") == "error" else {}
    return {"type": "tool_result", "tool_use_id": result.get("toolUseId"), "content": parts, **more}


def _thinking(reasoning: dict[str, Any]) -> dict[str, Any]:
    text = reasoning.get("reasoningText")
    return {"type": "thinking", "thinking": text.get("text") if isinstance(text, dict) else text}


_INNER = {
    "functionCall": _call,
    "function_call": _call,
    "toolUse": _call,
    "functionResponse": _response,
    "function_response": _response,
    "toolResult": _result,
    "reasoningContent": _thinking,
}
