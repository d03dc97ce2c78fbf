"""`messages`, the form of OpenAI's API and of all that is near it, and OpenAI's own files beside it."""

from collections.abc import Iterator
from typing import Any

from ..reading.dialects import CALL_ROLES, MASKS, RESULT_ROLES, listed
from ..reading.refusal import kind, refuse, require_whole
from ..reading.vendors import is_langchain, is_pydantic_ai, plain_pydantic_ai
from .form import Form, Placed, Record, Shape, answer_of, has, is_talk, placed
from .instructions import asked_in

OWN = "callproof's own form"
"""The title of the form that needs no telling."""

ANSWERS = ("response", "output", "completion", "choices", "answer")
_MASKS = frozenset(MASKS)
_ITEMS = ("function_call", "function_call_output", "reasoning")


def _messages(record: Record, where: str) -> Iterator[Placed]:
    yield from placed(listed(record["messages"], f"{where}: messages"), "messages")


def _answered(record: Record, where: str) -> Iterator[Placed]:
    """Messages, and beside them the answer to the last of them."""
    yield from _messages(record, where)
    key = next(key for key in ANSWERS if record.get(key) is not None)
    value = {"choices": record[key]} if key == "choices" else record[key]
    yield from answer_of(value, key, where)


def _trajectory(record: Record, where: str) -> Iterator[Placed]:
    yield from placed(listed(record["traj"], f"{where}: traj"), "traj")


def _preference(record: Record, where: str) -> Iterator[Placed]:
    """The prompt and the answer that people preferred; the other answer stays in the metadata."""
    request = record["input"]
    messages = request.get("messages") if isinstance(request, dict) else request
    yield from placed(listed(messages, f"{where}: input.messages"), "input.messages")
    yield from answer_of(record["preferred_output"], "preferred_output", where)


def _responses(record: Record, where: str) -> Iterator[Placed]:
    """What went into the Responses API and what came out."""
    asked = record["input"]
    if record.get("instructions") is not None:
        yield "instructions", {"role": "system", "content": record["instructions"]}
    if isinstance(asked, str):
        yield "input", {"role": "user", "content": asked}
    else:
        yield from placed(listed(asked, f"{where}: input"), "input")
    output = record.get("output")
    output = listed(output if output is not None else record["response"].get("output"), f"{where}: output")
    yield from placed(output, "output")
    require_whole(record, record.get("response"), *output)


def _completion(record: Record, where: str) -> Iterator[Placed]:
    """A prompt and its completion, as lists of messages or as texts."""
    yield from _prompt(record, where)
    key = "completion" if record.get("completion") is not None else "response"
    yield from answer_of(record[key], key, where)


def _chosen(record: Record, where: str) -> Iterator[Placed]:
    """What was asked and the chosen answer; the rejected one stays in the metadata."""
    key = "chosen" if record.get("chosen") is not None else "chosen_response"
    chosen = record[key]
    whole = isinstance(chosen, list) and len(chosen) > 1 and is_talk(chosen) and _role(chosen[0]) != "assistant"
    asked = next((name for name in ("messages", "conversations") if record.get(name) is not None), None)
    if asked and not whole:
        yield from placed(listed(record[asked], f"{where}: {asked}"), asked)
    elif record.get("prompt") is not None and not whole:
        yield from _prompt(record, where)
    elif record.get("instruction") is not None:
        yield from asked_in(record, where)
    yield from answer_of(chosen, key, where)


def _smoltalk2(record: Record, where: str) -> Iterator[Placed]:
    """Messages, and what SmolLM3's template writes before them: instructions, and a text that declares tools."""
    asked = record["chat_template_kwargs"]
    if asked.get("python_tools"):
        problem = "tools that are called as Python code"
        refuse(f"{where}: chat_template_kwargs.python_tools", problem, "leave these sessions out")
    messages = listed(record["messages"], f"{where}: messages")
    written = listed(asked.get("xml_tools") or [], f"{where}: chat_template_kwargs.xml_tools")
    declared = [text if isinstance(text, str) else str(text) for text in written]
    own = bool(messages) and isinstance(messages[0], dict) and messages[0].get("role") == "system"
    texts = [*([] if own else [asked.get("custom_instructions")]), *declared]
    for text in filter(None, texts):
        yield "chat_template_kwargs", {"role": "system", "content": text}
    yield from placed(messages, "messages")


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None


def _is_smoltalk2(shape: Shape) -> bool:
    record = shape.record
    asked = record.get("chat_template_kwargs")
    keys = ("custom_instructions", "python_tools", "xml_tools")
    return record.get("messages") is not None and isinstance(asked, dict) and any(asked.get(key) for key in keys)


def _gemini(record: Record, where: str) -> Iterator[Placed]:
    for key in ("systemInstruction", "system_instruction"):
        if isinstance(system := record.get(key), dict | str):
            said = system if isinstance(system, dict) else {"content": system}
            yield key, {**said, "role": "system"}
    yield from placed(listed(record["contents"], f"{where}: contents"), "contents")
    if isinstance(response := record.get("response"), dict) and (candidates := response.get("candidates")):
        candidate = listed(candidates, f"{where}: response.candidates", "candidates")[0]
        said = candidate.get("content") if isinstance(candidate, dict) else candidate
        yield "response.candidates.0.content", {"role": "model", **said} if isinstance(said, dict) else said
        require_whole(candidate)


def _pydantic_ai(record: Record, where: str) -> Iterator[Placed]:
    messages = listed(record["messages"], f"{where}: messages")
    yield from ((f"messages.{number}", message) for number, message in plain_pydantic_ai(messages))


def _is_bedrock(shape: Shape) -> bool:
    return any(part.keys() & {"toolUse", "toolResult"} for part in shape.parts)


def _prompt(record: Record, where: str) -> Iterator[Placed]:
    prompt = record["prompt"]
    if isinstance(prompt, str):
        yield "prompt", {"role": "user", "content": prompt}
    elif isinstance(prompt, list):
        yield from placed(prompt, "prompt")
    else:
        refuse(f"{where}: prompt", f"expected text or a list of messages, got {kind(prompt)}")


def _is_answered(shape: Shape) -> bool:
    record = shape.record
    messages = record.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    asks = isinstance(last, dict) and last.get("role") in ("user", "tool", "system", "developer", "human")
    return asks and any(record.get(key) is not None for key in ANSWERS)


def _is_responses(shape: Shape) -> bool:
    record = shape.record
    asked, output = record.get("input"), record.get("output")
    if output is None and isinstance(record.get("response"), dict):
        output = record["response"].get("output")
    if not isinstance(output, list) or not output or not isinstance(asked, str | list):
        return False
    return any(isinstance(item, dict) and item.get("type") in ("message", *_ITEMS) for item in output)


def _is_completion(shape: Shape) -> bool:
    return has("prompt", "completion")(shape) or has("prompt", "response")(shape)


def _has_roles(*roles: str) -> Any:
    return lambda shape: any(entry.get("role") in roles for entry in shape.talk)


def _is_anthropic(shape: Shape) -> bool:
    named = any(part.get("type") in ("tool_use", "tool_result", "thinking") for part in shape.parts)
    return bool(shape.talk) and (named or "input_schema" in shape.tool_keys)


def _is_fine_tuning(shape: Shape) -> bool:
    keys = {"parallel_tool_calls", "functions", "tool_choice"}
    return bool(shape.talk) and not (keys.isdisjoint(shape.record) and _MASKS.isdisjoint(shape.keys))


def _is_when2call(shape: Shape) -> bool:
    tools = shape.record.get("tools")
    texts = isinstance(tools, list) and bool(tools) and all(isinstance(tool, str) for tool in tools)
    return shape.record.get("messages") is not None and texts


FORMS = (
    Form("openai_preference", "OpenAI preference pairs", ("input", "preferred_output"),
         has("input", "preferred_output"), _preference),
    Form("openai_responses", "OpenAI Responses API items", ("input", "output", "instructions", "response"),
         _is_responses, _responses),
    Form("answered", "messages and their answer", ("messages", *ANSWERS), _is_answered, _answered),
    Form("smoltalk2", "SmolTalk2", ("messages",), _is_smoltalk2, _smoltalk2),
    Form("gemini", "Gemini contents", ("contents", "systemInstruction", "system_instruction", "response"),
         has("contents"), _gemini),
    Form("bedrock", "Bedrock Converse messages", ("messages",), _is_bedrock, _messages),
    Form("when2call_preference", "When2Call preference pairs", ("messages", "chosen_response"),
         has("messages", "chosen_response"), _chosen),
    Form("llamafactory_preference", "LLaMA-Factory preference pairs",
         ("conversations", "instruction", "input", "chosen"), lambda shape: has("chosen", "rejected")(shape) and (
             has("conversations")(shape) or has("instruction")(shape)), _chosen),
    Form("toucan", "Toucan", ("messages", "available_tools"), has("messages", "available_tools"), _messages),
    Form("when2call", "When2Call", ("messages",), _is_when2call, _messages),
    Form("anthropic", "Anthropic messages", ("messages",), _is_anthropic, _messages),
    Form("mcp", "messages with MCP tools", ("messages",),
         lambda shape: bool(shape.talk) and "inputSchema" in shape.tool_keys, _messages),
    Form("ms_swift", "ms-swift messages", ("messages",), _has_roles(*CALL_ROLES, *RESULT_ROLES[2:]), _messages),
    Form("langchain", "LangChain messages", ("messages",),
         lambda shape: any(map(is_langchain, shape.talk)), _messages),
    Form("pydantic_ai", "Pydantic AI messages", ("messages",),
         lambda shape: any(map(is_pydantic_ai, shape.talk)), _pydantic_ai),
    Form("openai_finetuning", "OpenAI fine-tuning", ("messages", "functions"), _is_fine_tuning, _messages),
    Form("callproof", OWN, ("messages",), has("session_id", "messages"), _messages),
    Form("openai", "OpenAI messages", ("messages",), has("messages"), _messages),
    Form("tau_bench", "tau-bench trajectories", ("traj",), has("traj"), _trajectory),
    Form("trl_preference", "TRL preference pairs", ("prompt", "chosen"), has("chosen", "rejected"), _chosen),
    Form("trl_completion", "prompt and completion", ("prompt", "completion", "response"), _is_completion, _completion),
)  # fmt: skip
