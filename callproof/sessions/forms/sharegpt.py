"""`conversations` of entries with a speaker and a value, as ShareGPT and those after it write them."""

from collections.abc import Iterator
from typing import Any

from ..reading.dialects import CALL_ROLES, RESULT_ROLES, listed, speaker
from ..reading.refusal import kind, refuse
from .form import Form, Placed, Record, Shape, entries, has, placed

_SPEAKERS = ("system", "human", "user", "gpt", "assistant", "tool", "developer", *RESULT_ROLES, *CALL_ROLES)


def _conversations(record: Record, where: str) -> Iterator[Placed]:
    for place, entry in placed(listed(record["conversations"], f"{where}: conversations"), "conversations"):
        if not isinstance(entry, dict):
            refuse(f"{where}: {place}", f"expected an object, got {kind(entry)}")
        if "from" in entry and speaker(str(entry["from"])) not in _SPEAKERS:
            refuse(f"{where}: {place}.from", f"expected {', '.join(_SPEAKERS)}, got {entry['from']!r}"[:300])
        yield place, entry


def _pairs(record: Record, where: str) -> Iterator[Placed]:
    """ms-swift's `conversation`: a list of what the human and the assistant said in turn."""
    for place, entry in placed(listed(record["conversation"], f"{where}: conversation"), "conversation"):
        if not isinstance(entry, dict):
            refuse(f"{where}: {place}", f"expected an object, got {kind(entry)}")
        if not isinstance(entry.get("human"), str):
            yield place, entry
            continue
        if unknown := [key for key in entry if key not in ("human", "assistant")]:
            refuse(f"{where}: {place}.{unknown[0]}", "unknown key", "keys of an entry: human, assistant")
        yield f"{place}.human", {"role": "user", "content": entry["human"]}
        yield f"{place}.assistant", {"role": "assistant", "content": entry.get("assistant")}


def _speaks(*speakers: str) -> Any:
    def fits(shape: Shape) -> bool:
        talk = entries(shape.record, "conversations")
        return any(str(entry.get("from", entry.get("role"))).lower() in speakers for entry in talk)

    return fits


def _is_toolace(shape: Shape) -> bool:
    system = shape.record.get("system")
    return bool(entries(shape.record, "conversations")) and isinstance(system, str) and "you can invoke" in system


def _is_hermes(shape: Shape) -> bool:
    texts = [entry.get("value", entry.get("content")) for entry in entries(shape.record, "conversations")]
    return any(isinstance(text, str) and ("<tools>" in text or "<tool_call>" in text) for text in texts)


FORMS = (
    Form("llamafactory", "LLaMA-Factory ShareGPT", ("conversations",), _speaks("function_call", "observation"),
         _conversations),
    Form("toolace", "ToolACE", ("conversations",), _is_toolace, _conversations),
    Form("hermes", "Hermes function calling", ("conversations",), _is_hermes, _conversations),
    Form("sharegpt", "ShareGPT", ("conversations",), has("conversations"), _conversations),
    Form("sharegpt_pairs", "ms-swift ShareGPT", ("conversation",), has("conversation"), _pairs),
)  # fmt: skip
