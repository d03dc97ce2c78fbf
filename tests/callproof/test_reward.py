"""The reward is evaluate's verdict, and what a model could learn to exploit earns nothing."""

import json
from typing import Any

import pytest
from callproof.evaluate.importers.bfcl import read_outputs, read_results
from shared_data import PUBLISHED, needs_bfcl

from callproof.reward import CallReward, Reward
from callproof.scoring import Answer, judge
from callproof.turns import Turn, catalog_of


def tool(name: str, **types: str) -> dict[str, Any]:
    properties = {key: {"type": type} for key, type in types.items()}
    parameters = {"type": "object", "properties": properties, "required": list(types), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def turn_of(*gold: dict[str, Any]) -> str:
    tools = [tool("find", town="string", seats="integer"), tool("book", code="string"), tool("list_all")]
    value = {"turn_id": "s/1", "session_id": "s", "position": 1, "messages": [], "tools": tools, "gold": gold}
    return Turn.model_validate(value).model_dump_json()


FIND = {"name": "find", "arguments": {"town": "Bern", "seats": 2}}
LIST = {"name": "list_all", "arguments": {}}
CALL, SILENT = turn_of(FIND), turn_of()


def said(*calls: dict[str, Any]) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


def find(**arguments: Any) -> dict[str, Any]:
    return {"name": "find", "arguments": arguments}


RIGHT = said(FIND)
HACKS = {
    "two calls of which one is right": said(FIND, {"name": "book", "arguments": {"code": "1"}}),
    "the right call twice": said(FIND, FIND),
    "every tool at once": said(FIND, {"name": "book", "arguments": {"code": ""}}, LIST),
    "the right call twenty times": said(*[FIND] * 20),
    "no arguments": said(find()),
    "the right arguments under another tool": said({**FIND, "name": "book"}),
    "an invented tool": said({**FIND, "name": "find_it"}),
    "a tool of no arguments": said(LIST),
    "an argument that does not exist": said(find(town="Bern", seats=2, sure=True)),
    "arguments as text that is no JSON": said({"name": "find", "arguments": "town=Bern"}),
    "a number as text": said(find(town="Bern", seats="2")),
    "null for what is not known": said(find(town=None, seats=None)),
    "all wrong arguments": said(find(town="Rome", seats=9)),
    "the call in thinking": f"<think>{RIGHT}</think>I shall look.",
    "thinking that never ends": f"<think>{RIGHT}",
    "words about the tool": "I call find with town Bern and seats 2.",
    "bare JSON": json.dumps(FIND),
    "JSON in a fence": f"```json\n{json.dumps(FIND)}\n```",
    "the notation of another family": f"[TOOL_CALLS][{json.dumps(FIND)}]",
    "malformed but readable": RIGHT.replace("}}", "},}"),
    "single quotes": RIGHT.replace('"', "'"),
    "two objects in one block": RIGHT.replace("\n</tool_call>", json.dumps(LIST) + "\n</tool_call>"),
    "the same key twice": RIGHT.replace('"seats": 2', '"seats": 9, "seats": 2'),
    "a second block that opens": RIGHT + "\n<tool_call>",
    "nothing": "",
    "blanks": " \n",
}
CALLS_WHERE_NONE_IS_DUE = {
    "a right call": RIGHT,
    "a call without arguments": said(LIST),
    "a malformed call": "<tool_call>{}</tool_call>",
    "bare JSON": json.dumps(FIND),
    "another notation": f"[TOOL_CALLS][{json.dumps(FIND)}]",
    "nothing": "",
    "unclosed thinking": "<think>hm",
}


def reward(turn: str, text: str, finish_reason: str = "stop") -> Reward:
    return CallReward().of(Turn.model_validate_json(turn), Answer(text=text, finish_reason=finish_reason))


@pytest.mark.parametrize("hack", HACKS)
def test_hacks_earn_nothing(hack: str) -> None:
    assert reward(CALL, HACKS[hack]).total == 0


@pytest.mark.parametrize("hack", CALLS_WHERE_NONE_IS_DUE)
def test_hacks_of_abstention_earn_nothing(hack: str) -> None:
    assert reward(SILENT, CALLS_WHERE_NONE_IS_DUE[hack]).total == 0


@pytest.mark.parametrize(
    ("turn", "text", "wanted"),
    [
        (CALL, RIGHT, Reward(1, 1, 1, 1, 1)),
        (CALL, f"<think>Bern, two.</think>{RIGHT}", Reward(1, 1, 1, 1, 1)),
        (CALL, said(find(town="Bern", seats=3)), Reward(0.25, 1, 1, 0.5, 1)),  # one argument of two: F1 1/2
        (SILENT, "Hello!", Reward(1, 1, 1, 1, 1)),
        (CALL, "Hello!", Reward(0, 0, 0, 1, 1)),
        (turn_of(LIST), said(LIST), Reward(1, 1, 1, 1, 1)),
        (turn_of(FIND, LIST), said(LIST, FIND), Reward(1, 1, 1, 1, 1)),
        (turn_of(FIND, LIST), said(FIND), Reward(0, 0, 0, 1, 1)),
    ],
)
def test_what_is_right_earns_all_and_a_wrong_argument_less_than_half(turn: str, text: str, wanted: Reward) -> None:
    assert reward(turn, text) == wanted


def test_an_answer_that_the_limit_cut_earns_nothing() -> None:
    assert reward(CALL, RIGHT.removesuffix("</tool_call>"), "length").total == 0
    assert reward(SILENT, "", "length").total == 0


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return pytest.importorskip("transformers").PreTrainedTokenizerFast.from_pretrained("models/tiny")


def test_as_a_trainer_calls_it(tokenizer: Any) -> None:
    texts = [RIGHT, RIGHT, "Hello!", said(find(town="Bern", seats=3))]
    ids = [tokenizer.encode(text) for text in texts]
    ended = [[*tokens, tokenizer.eos_token_id, 0, 0] for tokens in ids]
    ended[1] = ids[1][:-1]  # cut before its end
    logged: dict[str, float] = {}
    columns = {"prompts": [""] * 4, "turn": [CALL, CALL, SILENT, CALL], "log_metric": logged.__setitem__}
    call_reward = CallReward("hermes", tokenizer)
    assert call_reward(completions=texts, completion_ids=ended, **columns) == [1, 0, 1, 0.25]
    assert logged == {f"call_reward/{part}": pytest.approx(value) for part, value in
                      {"decision": 0.75, "name": 0.75, "arguments": 0.875, "schema": 0.75}.items()}  # fmt: skip
    messages = [[{"role": "assistant", "content": text}] for text in texts]
    assert CallReward()(completions=messages, turn=columns["turn"]) == [1, 1, 1, 0.25]


@needs_bfcl
def test_one_is_the_verdict_of_evaluate_on_published_answers(tokenizer: Any) -> None:
    turns = [imported.turn for imported in read_results(PUBLISHED)]
    answers = [Answer.model_validate(output["answer"]) for output in read_outputs(PUBLISHED)]
    verdicts = [
        judge(turn, answer, "m", catalog_of(turn)).outcome == "ok" for turn, answer in zip(turns, answers, strict=True)
    ]
    texts = [answer.text for answer in answers]
    ids = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in texts]
    lines = [turn.model_dump_json() for turn in turns]
    rewards = CallReward("hermes", tokenizer)(completions=texts, completion_ids=ids, turn=lines)
    assert len(rewards) == 1240
    assert [value == 1 for value in rewards] == verdicts
    assert 0.6 < sum(verdicts) / len(verdicts) < 0.8
    assert max(value for value in rewards if value < 1) <= 0.5
