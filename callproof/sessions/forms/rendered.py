"""Text of a whole conversation: ChatML, and the transcripts of Glaive."""

import re
from collections.abc import Iterator

from ..reading.refusal import kind, refuse
from .form import Form, Placed, Record, has

_CHATML = re.compile(r"\s*<\|im_start\|>([a-z_]+)\n((?:(?!<\|im_start\|>|<\|im_end\|>).)*)<\|im_end\|>", re.DOTALL)
_SPEAKER = re.compile(r"(?:\A|(?<=\n))[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE|SYSTEM):[ \t]*")
_GLAIVE = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool", "SYSTEM": "system"}
_END = "<|endoftext|>"


def _rendered(record: Record, where: str) -> Iterator[Placed]:
    text = record["text"]
    if not isinstance(text, str):
        refuse(f"{where}: text", f"expected text, got {kind(text)}")
    at = number = 0
    end = len(text.removesuffix(_END).rstrip())
    while at < end:
        turn = _CHATML.match(text, at)
        if not turn:
            excerpt = text[at : at + 60]
            problem = f"expected a turn in ChatML, <|im_start|>role ... <|im_end|>, at character {at}, got {excerpt!r}"
            refuse(f"{where}: text", problem, "give the messages instead: rendered text of another template is lost")
        at = turn.end()
        yield f"text: turn {number}", {"role": turn[1], "content": turn[2]}
        number += 1


def _glaive(record: Record, where: str) -> Iterator[Placed]:
    """A transcript in which each speaker begins a line."""
    chat = record["chat"]
    if isinstance(system := record.get("system"), str):
        yield "system", {"role": "system", "content": system.strip().removeprefix("SYSTEM:").strip()}
    if not isinstance(chat, str):
        refuse(f"{where}: chat", f"expected text, got {kind(chat)}")
    marks = list(_SPEAKER.finditer(chat))
    if not marks or chat[: marks[0].start()].strip():
        refuse(
            f"{where}: chat",
            f"expected USER: at its beginning, got {chat[:60]!r}",
            "see docs/reference/data.md for the forms",
        )
    stops = [*(mark.start() for mark in marks[1:]), len(chat)]
    for number, (mark, stop) in enumerate(zip(marks, stops, strict=True)):
        said = chat[mark.end() : stop].strip().removesuffix(_END).strip()
        yield f"chat: turn {number}", {"role": _GLAIVE[mark[1]], "content": said}


FORMS = (
    Form("glaive", "Glaive transcripts", ("chat", "system"), has("chat"), _glaive),
    Form("chatml", "text in ChatML", ("text",), has("text"), _rendered),
)
