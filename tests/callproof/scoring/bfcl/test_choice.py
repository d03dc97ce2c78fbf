"""Which handler is taken for a model, and what is said about it."""

from callproof.scoring.bfcl import Choice, HandlerCounter
from callproof.turns import Turn

TURN = Turn(
    turn_id="t",
    session_id="s",
    position=1,
    messages=({"role": "user", "content": "?"},),
    tools=tuple({"type": "function", "function": {"name": name}} for name in ("f", "m_g")),
    gold=(),
    source_names={"m_g": "m.g"},
)
HERMES = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
INLINE = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'


def choice(model: str, *texts: str, handlers: tuple[str, ...] | None = None) -> Choice:
    counter = HandlerCounter(handlers) if handlers else HandlerCounter()
    for text in texts:
        counter.add(TURN, model, text)
    return counter.choices()[model]


def test_the_handler_that_reads_most_is_taken_and_the_others_are_told() -> None:
    found = choice("m", "f(a=1)", "[f(a=1)]", "\n[f(a=1)]", "Sorry.")
    assert found.name == "llama"
    assert found.says == (
        "m: read as llama (as `command_r`, in one line), which reads most: "
        "calls in 3 of 4 answers; as many or more would nemotron, dbrx"
    )


def test_the_models_name_tells_the_handler_even_if_others_read_more() -> None:
    found = choice("gpt-4-prompt", "f(a=1)", "[f(a=1)]")
    assert found.name == "gpt"
    assert "as its name tells: calls in 1 of 2 answers; as many or more would command_r, claude" in found.says


def test_a_name_that_the_answers_contradict_tells_nothing() -> None:
    found = choice("llama-fine-tuned", *[HERMES] * 11)
    assert found.name == "hermes"
    assert "which reads most" in found.says


def test_a_few_stray_calls_do_not_contradict_a_name() -> None:
    assert choice("glaive-v1", HERMES, *["Sorry."] * 10).name == "glaive"


def test_a_call_of_no_tool_of_the_turn_is_no_evidence() -> None:
    assert choice("m", 'h\n{"a": 1}', "[f(a=1)]").name == "gpt"


def test_answers_that_no_handler_of_bfcl_reads_are_read_by_callproof() -> None:
    found = choice("m", INLINE, INLINE)
    assert (found.name, found.reading) == ("strict", None)
    assert "callproof's own reading" in found.says


def test_answers_without_a_call_are_told() -> None:
    found = choice("m", "Sorry.", "")
    assert (found.name, found.reading) == ("strict", None)
    assert found.says == "m: read as strict (callproof's own reading), since none reads a call: calls in 0 of 2 answers"


def test_a_handler_that_was_asked_for_is_taken() -> None:
    found = choice("llama", HERMES, handlers=("gpt",))
    assert found.says == "llama: read as gpt (a Python list of calls, as it is), as was asked: calls in 0 of 1 answers"


def names(model: str, *texts: str) -> bool:
    reading = choice(model, *texts).reading
    assert reading
    return reading.source_names


def test_names_at_the_source_are_told_by_the_calls() -> None:
    by_source, by_wire = "[m.g(a=1)]", "[m_g(a=1)]"
    assert names("gpt-4", by_source)
    assert names("gpt-4", by_source, *[by_wire] * 9)
    assert not names("gpt-4", by_source, *[by_wire] * 10)
    source, wire = (f'<tool_call>\n{{"name": "{name}", "arguments": {{}}}}\n</tool_call>' for name in ("m.g", "m_g"))
    assert names("hermes", source, source, wire)
    assert not names("hermes", source, wire)
