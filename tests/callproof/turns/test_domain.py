"""What a session is shown: its own prompt and tools, or its domain's; and on which side of a split it stands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callproof.catalog import Catalog
from callproof.config import RunConfig
from callproof.endpoint import request, tokenize_request
from callproof.errors import UserError
from callproof.scoring import Answer, judge
from callproof.sessions import to_session
from callproof.turns import Domain, catalog_of, eval_turns, split_sessions, supervised, template_messages
from callproof.turns.domain import held_out

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
OTHER = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
TALK = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": "Let me see.", "tool_calls": [{"name": "find"}, {"name": "find"}]},
    {"role": "tool", "content": "1"},
    {"role": "tool", "content": "2"},
    {"role": "user", "content": "and?"},
    {"role": "assistant", "content": "Both."},
]
Make = Callable[..., RunConfig]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Sessions, files of the domain and sections of the configuration -> the configuration."""

    def write(*sessions: dict[str, Any], files: tuple[str, ...] = ("tools", "prompt"), **sections: Any) -> RunConfig:
        (tmp_path / "sessions").mkdir(exist_ok=True)
        (tmp_path / "sessions" / "eval.jsonl").write_text("\n".join(json.dumps(session) for session in sessions))
        (tmp_path / "sessions" / "train.jsonl").write_text("\n".join(json.dumps(session) for session in sessions))
        if "tools" in files:
            (tmp_path / "tools.json").write_text(json.dumps([TOOL]))
        if "prompt" in files:
            (tmp_path / "system_prompt.md").write_text("You help.\n\n## Rules\n- Be short.\n- Be kind.\n")
        data = {"domain": str(tmp_path), **sections.pop("data", {})}
        return RunConfig.model_validate({"name": "demo", "data": data, **sections})

    return write


def shown(config: RunConfig) -> tuple[str | None, list[str]]:
    """System prompt and tools of the first turn."""
    turn = eval_turns(config)[0]
    first = turn.messages[0]
    names = [tool["function"]["name"] for tool in turn.tools or ()]
    return (first["content"] if first["role"] == "system" else None), names


def test_a_session_without_its_own_is_shown_the_domain_s(make: Make) -> None:
    assert shown(make({"messages": TALK})) == ("You help.\n\n## Rules\n- Be short.\n- Be kind.", ["find"])
    dated, _ = shown(make({"messages": TALK, "metadata": {"timestamp": 1777890600}}, prompt={"date_line": True}))
    assert dated is not None  # 1777890600 s: 2026-05-04T10:30:00Z
    assert dated.startswith("You help.\n\nCurrent DateTime (Europe/Zurich): Monday, 2026-05-04 12:30\n\n## Rules\n")


def test_what_a_session_brings_is_shown_as_it_was_recorded(make: Make) -> None:
    own = "I help.\n\n## A\n- b\n- a\n\n## B\n- c\n"
    config = make({"messages": TALK, "system": own, "tools": [TOOL, OTHER]})
    assert shown(config) == (own, ["find", "now"])


def test_a_domain_whose_sessions_bring_all_needs_no_files(make: Make) -> None:
    config = make({"messages": TALK, "system": "", "tools": [TOOL]}, files=())
    assert shown(config) == (None, ["find"])


def test_sessions_that_bring_all_need_no_domain(tmp_path: Path) -> None:
    own = [{"role": "system", "content": " I help.\n"}, *TALK]
    for split in ("train", "eval"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"messages": own, "tools": [TOOL]}))
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "eval")}
    config = RunConfig.model_validate({"name": "demo", "data": paths})
    assert shown(config) == (" I help.\n", ["find"])
    (tmp_path / "eval.jsonl").write_text(json.dumps({"messages": TALK}))
    with pytest.raises(
        UserError, match=r"^data.tools: names none, but session 'eval.jsonl:1' \(.*\) brings no tools of"
    ):
        eval_turns(config)
    (tmp_path / "eval.jsonl").write_text(json.dumps({"messages": [TALK[0], TALK[-1]]}))
    assert shown(config) == (None, [])
    assert config.data.model_copy(update={"eval": "x.jsonl"}).source("eval") == "x.jsonl"


@pytest.mark.parametrize(
    ("session", "named"),
    [
        ({"system": "Hi."}, "tools.json: cannot be read (no such file), but session 'eval.jsonl:2' ("),
        ({"tools": [TOOL]}, "system_prompt.md: cannot be read (no such file), but session 'eval.jsonl:2' ("),
    ],
)
def test_a_file_that_is_needed_and_missing_names_the_session(make: Make, session: dict, named: str) -> None:
    config = make({"messages": TALK, "system": "", "tools": [TOOL]}, {"messages": TALK, **session}, files=())
    with pytest.raises(UserError) as caught:
        eval_turns(config)
    assert named in str(caught.value)
    assert "eval.jsonl:2) brings no" in str(caught.value)


def test_calls_are_checked_against_the_tools_of_their_own_session(make: Make) -> None:
    config = make({"messages": TALK, "tools": [OTHER]})
    with pytest.raises(UserError, match=r"eval.jsonl:1: message 1: call of 'find' is rejected: unknown tool"):
        eval_turns(config)


def test_talk_without_tools_needs_no_catalog_where_none_is_shown(make: Make) -> None:
    config = make({"input": "a", "response": "b"}, files=("prompt",), prompt={"catalog": "none"})
    assert shown(config)[1] == []


def test_the_preamble_comes_before_the_domain_s_prompt_and_before_a_session_s(make: Make, tmp_path: Path) -> None:
    (tmp_path / "preamble.md").write_text("Call tools.\n")
    prompt = {"preamble": str(tmp_path / "preamble.md")}
    assert (shown(make({"messages": TALK}, prompt=prompt))[0] or "").startswith("Call tools.\n\nYou help.\n\n## Rules")
    assert shown(make({"messages": TALK, "system": "I help."}, prompt=prompt))[0] == "Call tools.\n\nI help."


def test_a_missing_preamble_is_named(make: Make) -> None:
    with pytest.raises(UserError, match=r"absent.md: cannot be read"):
        eval_turns(make({"messages": TALK}, prompt={"preamble": "absent.md"}))


def test_a_catalog_as_text_leaves_nothing_but_text_of_user_and_assistant(make: Make) -> None:
    first, second = eval_turns(make({"messages": TALK}, prompt={"catalog": "text"}))
    assert first.tools is None
    assert '<tools>\n{"type": "function", "function": {"name": "find"' in first.messages[0]["content"]
    block = '<tool_call>\n{"name": "find", "arguments": {}}\n</tool_call>'
    results = "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>\nand?"
    assert second.messages[1:] == (
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": f"Let me see.\n{block}\n{block}"},
        {"role": "user", "content": results},
    )


@pytest.mark.parametrize("catalog", ["text", "none"])
def test_answers_are_judged_by_tools_that_are_not_sent(make: Make, catalog: str) -> None:
    turn = eval_turns(make({"messages": TALK}, prompt={"catalog": catalog}))[0]
    call = '<tool_call>{"name": "find", "arguments": {}}</tool_call>'
    assert judge(turn, Answer(text=call * 2), "m", catalog_of(turn)).outcome == "ok"
    assert judge(turn, Answer(text=call.replace("find", "fnid")), "m", catalog_of(turn)).outcome == "unknown_tool"


def test_results_in_another_order_carry_the_ids_of_their_calls(make: Make) -> None:
    calls = [{"id": name, "name": "find"} for name in "ab"]
    results = [{"role": "tool", "tool_call_id": name, "content": name} for name in "ba"]
    talk = [TALK[0], {"role": "assistant", "tool_calls": calls}, *results, *TALK]
    session = to_session({"messages": talk}, "here", "here")
    wire = Domain(make()).conversation(session, "here").messages
    assert [(m["content"], m["tool_call_id"]) for m in wire if m["role"] == "tool"] == [
        ("b", "call00001"),
        ("a", "call00000"),
        ("1", "call00002"),
        ("2", "call00003"),
    ]


def test_a_share_splits_by_id_alone_and_keeps_sides_when_sessions_are_added(make: Make) -> None:
    sessions = [{"id": number, "messages": TALK} for number in range(200)]

    def sides(count: int) -> dict[str, set[str]]:
        config = make(*sessions[:count], data={"eval_share": 0.25})
        return {
            split: {session.session_id for _, session in split_sessions(config, split)} for split in ("train", "eval")
        }

    few, many = sides(100), sides(200)
    assert few["train"] <= many["train"]
    assert few["eval"] <= many["eval"]
    assert not many["train"] & many["eval"]
    assert len(many["train"] | many["eval"]) == 200
    assert 30 < len(many["eval"]) < 70


def test_half_is_half_of_many() -> None:
    assert 4800 < sum(held_out(f"s-{number}", 0.5) for number in range(10_000)) < 5200


def test_a_share_that_leaves_a_split_empty_is_refused(make: Make) -> None:
    config = make({"id": "a", "messages": TALK}, data={"eval_share": 0.001})
    with pytest.raises(UserError, match=r"train.jsonl: an eval_share of 0.001 leaves no eval session of 1"):
        eval_turns(config)


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("sessions", "datasets/x/sessions"),
        ("*.jsonl", "datasets/x/*.jsonl"),
        ("./logs/*.jsonl", "./logs/*.jsonl"),
        ("/var/log/a.jsonl", "/var/log/a.jsonl"),
        ("hf:owner/name:test", "hf:owner/name:test"),
    ],
)
def test_a_source_is_inside_the_domain_unless_it_says_otherwise(given: str, source: str) -> None:
    config = RunConfig.model_validate({"name": "demo", "data": {"domain": "datasets/x", "eval": given, "train": given}})
    assert (config.data.source("eval"), config.data.source("train")) == (source, source)


MASKED = [
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "bad", "tool_calls": [{"name": "nowhere"}], "weight": 0},
    {"role": "tool", "content": "x"},
    {"role": "assistant", "content": "good"},
    {"role": "user", "content": "r"},
    {"role": "assistant", "content": "better"},
]


def test_a_masked_answer_is_no_gold_but_is_in_the_prompt_of_the_next(make: Make) -> None:
    config = make({"id": "s", "messages": MASKED}, eval={"turns": "all"})
    first, second = eval_turns(config)
    assert (first.turn_id, second.turn_id) == ("s/4", "s/6")
    assert [message["content"] for message in first.messages][-4:] == ["Hello!", "q", "bad", "x"]


@pytest.mark.parametrize(
    ("supervise", "learned"), [("all", ["good", "better"]), ("last", ["better"]), ("response", ["better"])]
)
def test_supervise_leaves_answers_out_of_training(supervise: Any, learned: list[str]) -> None:
    session = supervised(to_session({"messages": MASKED}, "here", "here"), supervise)
    assert [message.content for message in session.messages if message.role == "assistant" and message.train] == learned


def test_the_response_is_all_that_follows_the_last_message_of_the_user() -> None:
    talk = [*MASKED[:4], MASKED[4], {"role": "assistant", "content": "more"}]
    session = supervised(to_session({"messages": talk}, "here", "here"), "response")
    assert [message.content for message in session.messages if message.role == "assistant" and message.train] == [
        "good",
        "more",
    ]


def test_a_text_that_calls_a_tool_of_the_domain_is_a_mistake(make: Make) -> None:
    config = make(
        {"id": "s", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "find()"}]}
    )
    with pytest.raises(UserError, match=r":1: message 1: its text calls 'find', which was not read as a call"):
        eval_turns(config)


def test_an_empty_catalog_of_a_session_is_no_tools(make: Make) -> None:
    session = to_session({"messages": TALK[-2:], "tools": []}, "here", "here")
    assert session.tools == Catalog(tools=())
    assert Domain(make()).conversation(session, "here").tools is None


@pytest.mark.parametrize("key", ["thinking", "reasoning", "reasoning_content"])
def test_thinking_is_kept_apart_and_goes_with_the_request(make: Make, key: str) -> None:
    talk = [TALK[0], {"role": "assistant", "content": "Hello.", key: " Be polite. "}, *TALK]
    config = make({"messages": talk})
    ((_, session),) = split_sessions(config, "train")
    assert session.messages[1].thinking == "Be polite."
    assert to_session(session.record(), "here", "here") == session
    wire = Domain(config).conversation(session, "here").messages
    assert [message.get("reasoning") for message in wire[1:4]] == [None, "Be polite.", None]
    rendered = template_messages(wire)[2]
    assert (rendered["reasoning"], rendered["reasoning_content"]) == ("Be polite.", "Be polite.")


def test_thinking_is_dropped_where_the_configuration_says_so(make: Make) -> None:
    talk = [
        TALK[0],
        {"role": "assistant", "content": "Hello.", "thinking": "Be polite."},
        *TALK[:1],
        {"role": "assistant", "content": "<think>Hm.</think>\n\nYes."},
    ]
    ((_, session),) = split_sessions(make({"messages": talk}, data={"thinking": "drop"}), "train")
    assert [(message.content, message.thinking) for message in session.messages[1::2]] == [("Hello.", ""), ("Yes.", "")]


def test_thinking_under_two_names_must_agree() -> None:
    answer = {"role": "assistant", "content": "Hello.", "thinking": "a", "reasoning": "b"}
    with pytest.raises(UserError, match=r"messages.1: its thinking differs in thinking and reasoning"):
        to_session({"messages": [TALK[0], answer]}, "here", "here")
    with pytest.raises(UserError, match=r"messages.1.reasoning: expected text, got list"):
        to_session({"messages": [TALK[0], {**answer, "thinking": None, "reasoning": ["a"]}]}, "here", "here")


def test_variables_of_the_template_go_with_every_turn(make: Make) -> None:
    config = make({"messages": TALK}, prompt={"template_kwargs": {"enable_thinking": False}})
    turns = eval_turns(config)
    payload = request(turns[0], "tiny", max_tokens=8, temperature=0.0)
    assert payload["chat_template_kwargs"] == tokenize_request(turns[0], "tiny")["chat_template_kwargs"]
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}
    plain = eval_turns(make({"messages": TALK}))[0]
    assert "chat_template_kwargs" not in request(plain, "tiny", max_tokens=8, temperature=0.0)
    assert "template_kwargs" not in plain.model_dump()


def test_ids_of_calls_are_nine_letters_and_digits(make: Make) -> None:
    config = make({"messages": TALK})
    ((where, session),) = split_sessions(config, "train")
    ids = [call["id"] for call in Domain(config).conversation(session, where).messages[2]["tool_calls"]]
    assert ids == ["call00000", "call00001"]


def test_the_builtin_preamble_tells_when_to_call(make: Make) -> None:
    system, _ = shown(make({"messages": TALK}, prompt={"preamble": "builtin"}))
    assert system is not None
    assert system.startswith("You have tools. Call one when")


def test_prompt_and_tools_may_lie_anywhere_and_the_prompt_may_be_none(make: Make, tmp_path: Path) -> None:
    (tmp_path / "sys.md").write_text("Elsewhere.\n")
    (tmp_path / "calls.json").write_text(json.dumps([OTHER]))
    data = {"system_prompt": str(tmp_path / "sys.md"), "tools": str(tmp_path / "calls.json")}
    talk = [TALK[0], TALK[-1]]
    assert shown(make({"messages": talk}, files=(), data=data)) == ("Elsewhere.", ["now"])
    plain = make({"messages": talk}, files=(), data={"system_prompt": "none"}, prompt={"catalog": "none"})
    (tmp_path / "tools.json").unlink(missing_ok=True)
    assert shown(plain) == (None, [])


QUESTION = "Read:{% for text in context %} [{{ text }}]{% endfor %}\nThen: {{ input }}"


def test_a_question_is_written_by_the_file_of_prompt_question(make: Make, tmp_path: Path) -> None:
    (tmp_path / "q.jinja").write_text(QUESTION)
    prompt = {"question": str(tmp_path / "q.jinja")}
    record = {"id": "a", "input": "why?", "context": ["x", "y"], "response": "So."}
    ((_, session),) = split_sessions(make(record, prompt=prompt), "train")
    assert session.messages[0].content == "Read: [x] [y]\nThen: why?"
    assert (session.session_id, session.messages[1].content) == ("a", "So.")
    with pytest.raises(UserError, match=r"has no question for prompt\.question to write"):
        list(split_sessions(make({"messages": TALK}, prompt=prompt), "train"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{% for %}", "q.jinja:1: is no Jinja template"),
        ("{{ question }}", "q.jinja: cannot be written for"),
        ("{{ input.__class__.__mro__ }}", "q.jinja: cannot be written for"),
        (" ", "q.jinja: writes nothing for"),
    ],
)
def test_a_wrong_question_file_is_one_line(make: Make, tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "q.jinja").write_text(text)
    config = make({"input": "a", "response": "b"}, prompt={"question": str(tmp_path / "q.jinja")})
    with pytest.raises(UserError) as caught:
        list(split_sessions(config, "train"))
    assert named in str(caught.value)
