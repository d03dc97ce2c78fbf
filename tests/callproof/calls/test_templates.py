"""The format of a template is the one that reads back exactly what the template writes; TRL's 41 templates show it."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from callproof.calls import ToolCall, parse_answer
from callproof.calls.formats import TemplateRefusal, format_of_template, render_call_turn, render_chat, tools_of

CALL = ToolCall(
    name="get_weather",
    arguments={
        "city": "O'Brien's \"old\" town\n<north>]é",
        "days": 3,
        "metric": True,
        "digits": "3",
        "word": "true",
        "nothing": "null",
        "day": "2026-01-05",
        "nested": {"k": [1, "a'", False]},
        "empty": {},
    },
)
WRITTEN = {
    "deepseek_v3": ["deepseekv3"],
    "gemma4": ["diffusion_gemma", "gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4", "gemma4_v5"],
    "glm45": ["glm4moe"],
    "hermes": ["qwen2_5", "qwen3", "qwen3_instruct_2507", "qwen3_vl"],
    "lfm2": ["lfm2_2_5", "lfm2_2_5_v2", "lfm2_2_5_vl", "lfm2_v2"],
    "llama3_json": ["llama3_1", "llama3_2"],
    "muse_glimmer": ["muse_glimmer"],
    "openai": ["gptoss"],
    "qwen3_xml": [
        *["nemotron_3_5_lightning", "nemotron_3_nano", "nemotron_3_super", "nemotron_3_ultra"],
        *["qwen3_5_nothink", "qwen3_5_think", "qwen3_6", "qwen3_8"],
    ],
}
ENDS = {"", "<|im_end|>", "<|eot_id|>", "<turn|>", "<|tool_response>", "<|call|>", "<|eot|>", "<｜end▁of▁sentence｜>"}
LOST = "cohere cohere2 deepseek_r1_distill gemma gemma3 lfm2 llama3 phi3 phi3_5 qwen2_5_vl".split()
LOST += "idefics3 llava_next smolvlm".split()
"""The last three take content in parts alone."""


def trl_templates() -> list[str]:
    folder = Path(str(files("trl") / "chat_templates"))
    return [file.stem for file in folder.glob("*.jinja") if not file.stem.endswith("_training")]


def template(name: str) -> str:
    spec = find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("TRL is not installed")
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text()


@pytest.mark.parametrize(("name", "format"), [(name, format) for format, names in WRITTEN.items() for name in names])
@pytest.mark.parametrize("arguments", ["hard", "none"])
def test_the_gold_call_is_read_back_exactly(name: str, format: str, arguments: str) -> None:
    source = template(name)
    assert format_of_template(source) == format
    call = CALL if arguments == "hard" else ToolCall(name="list_all")
    turn = render_call_turn(source, [call])
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of([call])}
    answer = parse_answer(turn.text, "stop", format, schemas)
    assert list(answer.calls) == [call]
    assert (answer.text, answer.thinking, answer.untyped, answer.unclosed) == ("", "", 0, 0)
    assert turn.end.strip() in ENDS


@pytest.mark.parametrize("name", LOST)
def test_a_template_that_loses_calls_is_refused(name: str) -> None:
    with pytest.raises(TemplateRefusal, match="renders no call"):
        format_of_template(template(name))


def test_every_template_of_trl_is_read_back_or_refused() -> None:
    template("qwen3")
    assert len(trl_templates()) == 41
    assert sorted(trl_templates()) == sorted([*LOST, *(name for names in WRITTEN.values() for name in names)])


def test_the_turn_begins_behind_the_generation_prompt_and_holds_the_thinking_prefix() -> None:
    think = render_call_turn(template("qwen3_5_think"), [ToolCall(name="f")])
    assert think.prompt.endswith("<|im_start|>assistant\n<think>\n")
    assert think.text == "\n</think>\n\n<tool_call>\n<function=f>\n</function>\n</tool_call>"
    assert think.end == "<|im_end|>\n"
    plain = render_call_turn(template("qwen3"), [ToolCall(name="f")])
    assert plain.text.startswith("<think>\n\n</think>\n\n<tool_call>")


def test_a_mistral_template_gets_ids_of_nine_characters() -> None:
    source = (
        "{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}"
        "{% if c.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
        '[TOOL_CALLS] [{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}]{% endfor %}'
        "{{ eos_token }}{% else %}[INST] {{ m.content }}[/INST]{% endif %}{% endfor %}"
    )
    assert format_of_template(source) == "mistral"
    assert render_call_turn(source, [ToolCall(name="f")]).end == "</s>"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ raise_exception('only system first') }}", "only system first"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "renders no call"),
        (
            "{% for m in messages %}{% for c in m.tool_calls or [] %}CALL {{ c.function | tojson }}{% endfor %}"
            "{% endfor %}",
            "no known format reads",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said_in_one_line(source: str, problem: str) -> None:
    with pytest.raises(TemplateRefusal, match=problem) as caught:
        format_of_template(source)
    assert "\n" not in str(caught.value)


def test_templates_have_what_transformers_gives_them() -> None:
    source = (
        "{% generation %}{{ strftime_now('%Y') | length }}{% endgeneration %}"
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m | tojson }}{% endfor %}"
    )
    assert render_chat(source, [{"a": "<é>"}, {}]) == '4{"a": "<é>"}'


def test_a_template_cannot_reach_out_of_its_sandbox() -> None:
    with pytest.raises(TemplateRefusal, match="SecurityError"):
        render_chat("{{ messages.__class__.__mro__ }}", [])
