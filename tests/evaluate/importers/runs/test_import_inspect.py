"""Logs of inspect_ai: one that it made itself, reduced, and others by hand."""

import json
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from runs_plugin import Command, read_lines, write_json

from callproof.errors import UserError

pytest_plugins = ["runs_plugin"]

PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "The city."},
        "days": {"type": "integer", "description": "Days.", "default": 1},
    },
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"name": "get_weather", "description": "Weather.", "parameters": PARAMETERS}
EVAL = {
    "task": "weather",
    "model": "mockllm/model",
    "dataset": {"samples": 3, "sample_ids": ["paris", "rome", 3], "shuffled": False},
    "config": {"epochs": 2},
}
"""Of a log that inspect_ai 0.3.285 wrote with its mock model, without what is not read."""


def asked(message_id: str) -> dict[str, Any]:
    message = {"id": message_id}
    return {
        "event": "model", "model": "mockllm/model", "input": [], "input_refs": [[0, 1]], "tools": [TOOL],
        "tool_choice": "auto", "output": {"choices": [{"message": message}]},
    }  # fmt: skip


def calling(city: str, call_id: str) -> list[dict[str, Any]]:
    call = {"id": call_id, "function": "get_weather", "arguments": {"city": city}, "type": "function"}
    return [
        {"id": "TBs9", "content": "tool call for tool get_weather", "source": "generate", "role": "assistant",
         "tool_calls": [call]},
        {"id": "a8Q9", "content": '{"sky": "blue"}', "role": "tool", "tool_call_id": call_id},
        {"id": "f3pp", "content": "Blue.", "source": "generate", "role": "assistant"},
    ]  # fmt: skip


def target(city: str) -> str:
    return json.dumps([{"name": "get_weather", "arguments": {"city": city}}])


def scored(value: Any) -> dict[str, Any]:
    return {"calls_right": {"value": value, "answer": "Blue.", "history": []}}


HELLO = {
    "id": 3, "epoch": 1, "input": "Hello!", "target": "[]", "scores": scored("C"),
    "messages": [
        {"id": "WGq8", "content": "Hello!", "source": "input", "role": "user"},
        {"id": "K3Nv", "content": "Hi!", "source": "generate", "role": "assistant"},
    ],
    "events": [asked("K3Nv")], "output": {"choices": [{"stop_reason": "stop"}]},
}  # fmt: skip
PARIS = {
    "id": "paris", "epoch": 1, "input": "Weather in Paris?", "target": target("Paris"), "scores": scored("C"),
    "messages": [{"id": "HTbA", "content": "Weather in Paris?", "source": "input", "role": "user"},
                 *calling("Paris", "c1")],
    "events": [asked("TBs9")], "output": {"choices": [{"stop_reason": "stop"}]},
}  # fmt: skip
ROME_ASKED = [
    {"id": "imjx", "content": "Be brief.", "role": "system"},
    {"id": "Pdrp", "content": "Weather in Rome?", "role": "user"},
]
ROME = {
    "id": "rome", "epoch": 1, "input": ROME_ASKED, "target": target("Rome"), "scores": scored("I"),
    "messages": [*({**message, "source": "input"} for message in ROME_ASKED), *calling("Milan", "c2")],
    "events": [asked("TBs9")], "output": {"choices": [{"stop_reason": "stop"}]},
}  # fmt: skip
REAL = [HELLO, PARIS, ROME, *({**sample, "epoch": 2} for sample in (HELLO, PARIS, ROME))]


def log(*samples: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {"version": 2, "status": "success", "eval": {**EVAL, **changed}, "samples": list(samples)}


def write_eval(path: str, samples: list[dict[str, Any]], zstandard: bool) -> str:
    """A `.eval` as inspect_ai writes it: with Zstandard, which `zipfile` cannot write, so that the method is put in."""
    members = {f"samples/{sample['id']}_epoch_{sample['epoch']}.json": sample for sample in samples}
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in {**members, "header.json": {"eval": EVAL, "status": "success"}}.items():
            data = stored = json.dumps(value).encode()
            if zstandard:
                stored = pytest.importorskip("pyarrow").compress(data, "zstd", asbytes=True)
            archive.writestr(name, stored)
            archive.filelist[-1].comment = struct.pack("<L", len(data))
        infos = archive.infolist()
    content = bytearray(file.getvalue())
    if zstandard:
        central = struct.unpack_from("<L", content, content.rindex(b"PK\5\6") + 16)[0]
        for info in infos:
            struct.pack_into("<H", content, info.header_offset + 8, 93)
            struct.pack_into("<H", content, central + 10, 93)
            content[central + 24 : central + 28] = info.comment
            central += 46 + len(info.filename) + len(info.comment)
    Path(path).write_bytes(content)
    return path


def check(said: Any, score: Command, folder: str) -> None:
    """What a person reads in the log: Paris and the greeting right, Rome's weather asked of Milan, all twice."""
    assert said.counts | {"out": ""} == {
        "form": "inspect", "turns": 3, "sessions": 3, "without_tools": 0, "answers": {"mockllm/model": 6}, "errors": 0,
        "verdicts": 6, "left_out": 0, "bad_gold": 0, "out": "",
    }  # fmt: skip
    assert "4 records take several model calls, which count together" in said.told
    found = score(folder).counts
    figures = found["models"]["mockllm/model"]
    assert (figures["turn_exact"], figures["arg_exact"]) == (pytest.approx(2 / 3), 0.5)
    assert (figures["hallucination_rate"], figures["n"]) == (0.0, 3)
    assert found["verdicts"] == {"mockllm/model": {"same": 6, "right_there": 0, "right_here": 0}}


def test_a_json_log_that_inspect_ai_made_is_read(evaluate: Command, score: Command) -> None:
    said = evaluate("import", "runs", write_json("log.json", log(*REAL)), "--out", "imported")
    check(said, score, "imported")
    turns = {turn["turn_id"]: turn for turn in read_lines("imported/turns.jsonl")}
    assert [message["content"] for message in turns["weather/rome"]["messages"]] == ["Be brief.", "Weather in Rome?"]
    assert turns["weather/rome"]["tools"][0]["function"]["parameters"] == PARAMETERS
    assert turns["weather/3"]["gold"] == []
    answer = read_lines("imported/answers.jsonl")[2]["answer"]
    assert answer["text"] == "tool call for tool get_weather\nBlue."
    assert answer["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Milan"}'}


@pytest.mark.parametrize("zstandard", [False, True])
def test_a_zip_is_read_with_either_compression(evaluate: Command, score: Command, zstandard: bool) -> None:
    check(evaluate("import", "runs", write_eval("log.eval", REAL, zstandard), "--out", "imported"), score, "imported")


def test_the_gate_holds_one_imported_model_against_another(evaluate: Command, score: Command) -> None:
    better = {**ROME, "messages": [*ROME["messages"][:2], *calling("Rome", "c2")], "scores": scored("C")}
    write_json("logs/base.json", log(*REAL[:3], config={"epochs": 1}))
    write_json("logs/tuned.json", log(HELLO, PARIS, better, model="tuned", config={"epochs": 1}))
    assert evaluate("import", "runs", "logs", "--out", "both").counts["answers"] == {"mockllm/model": 3, "tuned": 3}
    score("both")
    sides = ["runs/both", "runs/both", "--baseline-model", "mockllm/model", "--candidate-model", "tuned"]
    compared = evaluate("diff", *sides)
    assert compared.counts["turns"] == 3
    assert (compared.counts["broken"], compared.counts["mended"]) == (0, 1)
    gate = evaluate("gate", *sides)
    assert gate.code == 4
    assert gate.counts["verdict"] == "inconclusive"


def test_failed_limited_and_missing_samples_are_counted(evaluate: Command, score: Command) -> None:
    failed = {**HELLO, "error": {"message": "ConnectionError()", "traceback": ""}, "scores": None}
    limited = {**PARIS, "limit": {"type": "token", "limit": 10}, "messages": PARIS["messages"][:2]}
    said = evaluate("import", "runs", write_json("log.json", log(failed, limited)), "--out", "imported")
    assert said.counts["answers"] == {"mockllm/model": 2}
    assert (said.counts["errors"], said.counts["left_out"], said.counts["verdicts"]) == (1, 4, 1)
    assert "4 records are left out: it was not run, or not logged (the first: log.json)" in said.told
    assert "1 records hit a limit of inspect_ai; what was said until then counts, as cut" in said.told
    assert score("imported").counts["models"]["mockllm/model"]["turn_exact"] == 0.5
    outcomes = {row["turn_id"]: row["outcome"] for row in read_lines("runs/imported/outcomes.jsonl")}
    assert outcomes == {"weather/3": "infra_error", "weather/paris": "ok"}
    assert read_lines("imported/answers.jsonl")[1]["answer"]["finish_reason"] == "length"


def test_records_that_say_nothing_of_calls_are_left_out_by_reason(evaluate: Command) -> None:
    image = [{"role": "user", "content": [{"type": "image", "image": "data:"}, {"type": "text", "text": "Where?"}]}]
    forbidden = {**asked("K3Nv"), "tool_choice": "none"}
    samples = [
        PARIS,
        {**HELLO, "id": "text", "target": "Hi!"},
        {**HELLO, "id": "none", "target": ""},
        {**HELLO, "id": "image", "messages": image + HELLO["messages"][1:]},
        {**HELLO, "id": "forbidden", "events": [forbidden]},
        {**PARIS, "id": "no tools", "events": []},
        {**PARIS, "id": "odd", "messages": [5]},
    ]
    said = evaluate("import", "runs", write_json("log.json", log(*samples, dataset={})), "--out", "imported")
    assert (said.counts["turns"], said.counts["left_out"]) == (1, 6)
    told = said.told
    assert "2 records are left out: it does not say which calls are right (the first: log.json:samples.1)" in told
    assert "1 records are left out: a message holds image, and only text can be asked again" in told
    assert "1 records are left out: calls were forbidden (tool_choice: none)" in told
    assert "1 records are left out: calls are expected, and the record brings no tools: give --tools" in told
    assert "1 records are left out: it has another shape than its form (AttributeError" in told


def test_attachments_and_metadata_are_looked_up(evaluate: Command) -> None:
    messages = [{**PARIS["messages"][0], "content": "attachment://ab12"}, *PARIS["messages"][1:]]
    sample = {**PARIS, "target": "", "metadata": {"expected": [{"get_weather": {"city": "Paris"}}]}}
    sample |= {"messages": messages, "attachments": {"ab12": "A very long question?"}}
    path = write_json("log.json", log(sample, dataset={}))
    assert evaluate("import", "runs", path, "--gold", "metadata.expected", "--out", "imported").counts["turns"] == 1
    (turn,) = read_lines("imported/turns.jsonl")
    assert turn["messages"][0]["content"] == "A very long question?"
    assert (turn["gold"][0]["name"], turn["gold"][0]["arguments"]) == ("get_weather", {"city": "Paris"})


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ([], "log.json: holds no samples"),
        ([PARIS, PARIS], "'weather/paris' was answered by mockllm/model before, at log.json:samples.0"),
        ([PARIS, {**PARIS, "epoch": 2, "target": target("Rome")}], "something else than log.json:samples.0"),
    ],
)
def test_what_cannot_be_one_run_is_refused(evaluate: Command, samples: list[dict[str, Any]], problem: str) -> None:
    path = write_json("log.json", log(*samples, dataset={}))
    with pytest.raises(UserError, match=problem):
        evaluate("import", "runs", path, "--out", "imported")
    assert not Path("imported").exists()
