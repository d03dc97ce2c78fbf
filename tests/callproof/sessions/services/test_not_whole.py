"""An answer that says of itself that it was cut off or filtered is no gold, whoever wrote the log."""

import json
from pathlib import Path
from typing import Any

import pytest
from seen_sessions import seen

from callproof.errors import UserError
from callproof.sessions import read_sessions, to_session

HALF = "It is wa"
ASKED = {"role": "user", "content": "Warm?"}
SAID = {"role": "assistant", "content": HALF}
ENDINGS: dict[str, tuple[Any, str, str]] = {
    "Anthropic": (
        lambda reason: {
            "request": {"messages": [ASKED]},
            "response": {"role": "assistant", "content": [{"type": "text", "text": HALF}], "stop_reason": reason},
        },
        "max_tokens",
        "end_turn",
    ),
    "the Responses API": (
        lambda status: {
            "input": "Warm?",
            "output": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": HALF}],
                    "status": status,
                }
            ],
        },
        "incomplete",
        "completed",
    ),
    "Gemini": (
        lambda reason: {
            "request": {"contents": [{"role": "user", "parts": [{"text": "Warm?"}]}]},
            "response": {
                "candidates": [{"content": {"role": "model", "parts": [{"text": HALF}]}, "finishReason": reason}]
            },
        },
        "MAX_TOKENS",
        "STOP",
    ),
    "Bedrock": (
        lambda reason: {
            "request": {"messages": [{"role": "user", "content": [{"text": "Warm?"}]}]},
            "response": {
                "output": {"message": {"role": "assistant", "content": [{"text": HALF}]}},
                "stopReason": reason,
            },
        },
        "guardrail_intervened",
        "end_turn",
    ),
    "Ollama": (
        lambda reason: {
            "request": {"messages": [ASKED]},
            "response": {"message": SAID, "done": True, "done_reason": reason},
        },
        "length",
        "stop",
    ),
    "LangSmith": (
        lambda reason: {
            "inputs": {"messages": [ASKED]},
            "outputs": {"choices": [{"message": SAID, "finish_reason": reason}]},
        },
        "content_filter",
        "stop",
    ),
    "LangChain's generations": (
        lambda reason: {
            "inputs": {"messages": [ASKED]},
            "outputs": {"generations": [[{"text": HALF, "generation_info": {"finish_reason": reason}}]]},
        },
        "length",
        "stop",
    ),
    "OpenTelemetry": (
        lambda reason: {
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Warm?"}]}],
            "gen_ai.output.messages": [
                {"role": "assistant", "parts": [{"type": "text", "content": HALF}], "finish_reason": reason}
            ],
        },
        "length",
        "stop",
    ),
    "a column": (lambda reason: {"messages": [ASKED, SAID], "finish_reason": reason}, "length", "stop"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_line_whose_answer_is_not_whole_is_left_out_and_counted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, cut, whole = ENDINGS[name]
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(line(whole)).replace(HALF, "Warm.") + "\n" + json.dumps(line(cut)))
    sessions = [session for _, session in read_sessions(path)]
    assert [seen(session) for session in sessions] == [["user: Warm?", "assistant: Warm."]]
    assert "1 line left out" in (said := capsys.readouterr().err)
    assert f"{path}:2: the answer" in said
    with pytest.raises(UserError, match=r"^log:2: the answer .*leave the line out$"):
        to_session(line(cut), "log:2", "log:2")


def test_what_later_lines_repeat_of_such_an_answer_is_context(tmp_path: Path) -> None:
    go_on = [
        ASKED,
        {"role": "assistant", "content": [{"type": "text", "text": HALF}]},
        {"role": "user", "content": "On."},
    ]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "Warm it is."}], "stop_reason": "end_turn"}
    lines = ENDINGS["Anthropic"][0]("max_tokens"), {"request": {"messages": go_on}, "response": answer}
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    [(_, session)] = read_sessions(path)
    assert seen(session) == ["user: Warm?", f"-assistant: {HALF}", "user: On.", "assistant: Warm it is."]


def test_a_call_that_was_cut_off_in_its_arguments_costs_its_line_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"type": "tool_use", "id": "t", "name": "look", "input": '{"city": '}
    cut = {"request": {"messages": [ASKED]}, "response": {"content": [broken], "stop_reason": "max_tokens"}}
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, (cut, ENDINGS["Anthropic"][0]("end_turn")))))
    assert len(list(read_sessions(path))) == 1
    assert f"{path}:1: the answer is not whole (max_tokens)" in capsys.readouterr().err


def test_an_answer_of_langchain_that_is_not_whole_is_context(capsys: pytest.CaptureFixture[str]) -> None:
    half = {"type": "ai", "content": HALF, "response_metadata": {"finish_reason": "length"}}
    whole = {"type": "ai", "content": "Warm.", "response_metadata": {"finish_reason": "stop"}}
    on = {"type": "human", "content": "On."}
    session = to_session({"messages": [{"type": "human", "content": "Warm?"}, half, on, whole]}, "log:1", "log:1")
    assert seen(session) == ["user: Warm?", f"-assistant: {HALF}", "user: On.", "assistant: Warm."]
    assert "not learnt" in capsys.readouterr().err


@pytest.mark.parametrize(("reason", "said"), [("odd", 1), ("abort", 0), ("end_turn", 0)])
def test_an_ending_that_is_not_known_is_said(reason: str, said: int, capsys: pytest.CaptureFixture[str]) -> None:
    record = ENDINGS["Anthropic"][0](reason)
    if reason == "abort":
        with pytest.raises(UserError, match=r"not whole \(abort\)"):
            to_session(record, "log:1", "log:1")
    else:
        to_session(record, "log:1", "log:1")
    assert capsys.readouterr().err.count(f"stop_reason {reason!r} is not known") == said
