"""The formats that are known, by the names of vLLM's `--tool-call-parser`."""

import re
from collections.abc import Mapping
from typing import Any

from .bare import bare_json, wrapped_list
from .format import Format, Thinking
from .gemma import gemma_call, gemma_text
from .python_calls import bare_python, python_call, python_calls, python_lines, python_list, raw_python
from .rendering import around, dsml, each, function_xml, glm, invoke_xml
from .tagged import arguments_json, call_json, either, json_list, json_object, list_json, named_json, tagged
from .xml import Markup, xml_calls

_CHATML = ("<|im_end|>",)
_LLAMA = ("<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>")
_GEMMA = ("<turn|>", "<|tool_response>", "<end_of_turn>", "<start_function_response>")
_QUOTE = '<|"|>'
_DEEPSEEK = ("<｜end▁of▁sentence｜>",)
_NAME = r"[^\s<>\[\]{}\"]{1,256}"
_FORMS = ("parameters", "arguments")
_DEEPSEEK_TAGS = (
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
)
_HARMONY = r"(?:<\|start\|>assistant)?(?:<\|channel\|>(?:commentary|analysis))? ?\Z"
_ATEM = r"(?:<\|start\|>assistant)? ?(?:to=[\w.\-]{1,200}<\|message\|>)?\s?\Z"


def _function_markup(block: str, behind: str = "") -> Markup:
    return Markup(
        call=behind + r"<function=(?P<name>[^<>\n]{1,256})>",
        end_call="</function>",
        key=r"<parameter=(?P<argument>[^<>\n]{1,256})>",
        end_key="</parameter>",
        block=f"<{block}>",
        end_block=f"</{block}>",
        bare=block == "tool_call",
        trim=True,
    )


def _invoke_markup(prefix: str, block: str, end_block: str, string: str = "", lead: str = "") -> Markup:
    return Markup(
        call=rf'<{prefix}invoke name="(?P<name>[^"<>\n]{{1,256}})">',
        end_call=f"</{prefix}invoke>",
        key=rf'<{prefix}parameter name="(?P<argument>[^"<>\n]{{1,256}})"{string}>',
        end_key=f"</{prefix}parameter>",
        block=block,
        end_block=end_block,
        lead=lead,
    )


_GLM = Markup(
    call=r"<tool_call>\s{0,4}(?P<name>[^\s<>()\[\]{}\"]{1,256})(?=\s{0,4}(?:<arg_key>|</tool_call>))",
    end_call="</tool_call>",
    key=r"<arg_key>(?P<argument>[^<>\n]{1,256})</arg_key>\s{0,4}<arg_value>",
    end_key="</arg_value>",
    block="<tool_call>",
)

_TAGGED = [
    Format(
        name="hermes",
        read=tagged("<tool_call>", "</tool_call>", json_object()),
        render=each(lambda call: f"<tool_call>\n{call_json(call)}\n</tool_call>"),
        openings=("<tool_call>",),
        special_tags=("<tool_call>", "</tool_call>"),
        ends=_CHATML,
    ),
    Format(
        name="qwen3_xml",
        read=xml_calls(_function_markup("tool_call", r"(?<!<seed:tool_call>)(?<!<seed:tool_call>\n)")),
        render=each(function_xml),
        openings=("<tool_call>", "<function="),
        marks=("<function=",),
        special_tags=("<tool_call>", "</tool_call>"),
        ends=_CHATML,
    ),
    Format(
        name="glm45",
        read=xml_calls(_GLM),
        render=each(glm),
        openings=("<tool_call>",),
        marks=("<arg_key>",),
        special_tags=("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
        ends=("<|user|>", "<|observation|>", "<|endoftext|>"),
    ),
    Format(
        name="seed_oss",
        read=xml_calls(_function_markup("seed:tool_call")),
        render=each(lambda call: function_xml(call, ("<seed:tool_call>", "</seed:tool_call>"))),
        openings=("<seed:tool_call>",),
        special_tags=("<seed:tool_call>", "</seed:tool_call>"),
        ends=("<seed:eos>",),
        thinking=Thinking("<seed:think>", "</seed:think>"),
    ),
    Format(
        name="minimax_m2",
        read=xml_calls(_invoke_markup("", "<minimax:tool_call>", "</minimax:tool_call>")),
        render=around("<minimax:tool_call>\n", each(invoke_xml, ""), "</minimax:tool_call>"),
        openings=("<minimax:tool_call>", "<invoke name="),
        special_tags=("<minimax:tool_call>", "</minimax:tool_call>"),
        ends=("[e~[",),
    ),
    Format(
        name="deepseek_v32",
        read=xml_calls(
            _invoke_markup(
                "｜DSML｜", "<｜DSML｜function_calls>", "</｜DSML｜function_calls>", ' string="(?P<string>true|false)"'
            )
        ),
        render=around("<｜DSML｜function_calls>\n", each(dsml, ""), "</｜DSML｜function_calls>"),
        openings=("<｜DSML｜function_calls>", "<｜DSML｜invoke name="),
        ends=_DEEPSEEK,
    ),
    Format(
        name="muse_glimmer",
        read=xml_calls(_invoke_markup("atem:", "<atem:function_calls>", "</atem:function_calls>", lead=_ATEM)),
        render=each(
            lambda call: (
                f" to={call.name}<|message|><atem:function_calls>\n{invoke_xml(call, 'atem:')}</atem:function_calls>"
            ),
            "<|eom|><|start|>assistant",
        ),
        openings=("<atem:function_calls>", "<atem:invoke name="),
        special_tags=("<|start|>", "<|message|>", "<|eom|>", "<|eot|>"),
        wrappers=("<|start|>assistant", "to=user<|message|>", "<|message|>", "<|eom|>", "<|eot|>"),
        ends=("<|eot|>", "<|eom|>"),
        thinking=Thinking("to=self<|message|>", "<|eom|>"),
        headers=(r" ?(?:t|to|to=[\w.\-]{0,200}(?:<\|message\|>\s?)?)",),
    ),
    Format(
        name="deepseek_v3",
        read=tagged(
            "<｜tool▁call▁begin｜>",
            "<｜tool▁call▁end｜>",
            named_json(rf"function<｜tool▁sep｜>(?P<name>{_NAME})\n```json\n", "```"),
        ),
        render=around(
            _DEEPSEEK_TAGS[0],
            each(
                lambda call: (
                    f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{call.name}\n"
                    f"```json\n{arguments_json(call)}\n```<｜tool▁call▁end｜>"
                )
            ),
            _DEEPSEEK_TAGS[1],
        ),
        openings=("<｜tool▁call▁begin｜>",),
        special_tags=_DEEPSEEK_TAGS,
        wrappers=_DEEPSEEK_TAGS[:2],
        ends=_DEEPSEEK,
    ),
    Format(
        name="deepseek_v31",
        read=tagged("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", named_json(rf"(?P<name>{_NAME})<｜tool▁sep｜>")),
        render=around(
            _DEEPSEEK_TAGS[0],
            each(
                lambda call: f"<｜tool▁call▁begin｜>{call.name}<｜tool▁sep｜>{arguments_json(call)}<｜tool▁call▁end｜>",
                "",
            ),
            _DEEPSEEK_TAGS[1],
        ),
        openings=("<｜tool▁call▁begin｜>",),
        special_tags=_DEEPSEEK_TAGS,
        wrappers=_DEEPSEEK_TAGS[:2],
        ends=_DEEPSEEK,
    ),
    Format(
        name="kimi_k2",
        read=tagged(
            r"<\|tool_call_begin\|>",
            "<|tool_call_end|>",
            named_json(
                r"(?:functions\.)?(?P<name>[^\s<>:]{1,256}):\d{1,9}\s{0,2}<\|tool_call_argument_begin\|>\s{0,2}"
            ),
        ),
        render=around(
            "<|tool_calls_section_begin|>",
            lambda calls: "".join(
                f"<|tool_call_begin|>functions.{call.name}:{number}<|tool_call_argument_begin|>"
                f"{arguments_json(call)}<|tool_call_end|>"
                for number, call in enumerate(calls)
            ),
            "<|tool_calls_section_end|>",
        ),
        openings=("<|tool_call_begin|>",),
        special_tags=(
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_end|>",
            "<|tool_call_begin|>",
            "<|tool_call_argument_begin|>",
            "<|tool_call_end|>",
        ),
        wrappers=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
        ends=_CHATML,
    ),
    Format(
        name="openai",
        read=tagged(
            r"to=functions\.",
            "<|call|>",
            named_json(
                rf"(?P<name>{_NAME})(?:<\|channel\|>(?:commentary|analysis))?"
                r"(?: ?(?:<\|constrain\|>)?json)?<\|message\|>"
            ),
            lead=_HARMONY,
        ),
        render=each(
            lambda call: (
                f" to=functions.{call.name}<|channel|>commentary json<|message|>{arguments_json(call)}<|call|>"
            ),
            "<|start|>assistant",
        ),
        openings=("to=functions.",),
        special_tags=("<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|call|>", "<|end|>", "<|return|>"),
        wrappers=(
            "<|start|>assistant",
            "<|channel|>final<|message|>",
            "<|channel|>commentary<|message|>",
            "<|end|>",
            "<|return|>",
        ),
        ends=("<|call|>", "<|return|>", "<|end|>"),
        ends_turn=True,
        headers=(r"<\|channel\|>(?:commentary|analysis) ?",),
        thinking=Thinking("<|channel|>analysis<|message|>", "<|end|>"),
    ),
    Format(
        name="mistral",
        read=tagged(
            r"\[TOOL_CALLS\]",
            "",
            either(
                ("[", json_list(extra={"id": r"\w{1,64}"})),
                ("", named_json(rf"(?P<name>{_NAME})(?:\[CALL_ID\]\w{{1,64}})?\[ARGS\]\s{{0,2}}")),
            ),
        ),
        render=around("[TOOL_CALLS] ", list_json, ""),
        openings=("[TOOL_CALLS]",),
        special_tags=("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"),
        ends=("</s>",),
        thinking=Thinking("[THINK]", "[/THINK]"),
    ),
    Format(
        name="gemma4",
        read=tagged(r"<\|tool_call>", "<tool_call|>", gemma_call('<|"|>')),
        render=each(lambda call: f"<|tool_call>{gemma_text(call, _QUOTE)}<tool_call|>", ""),
        openings=("<|tool_call>",),
        special_tags=("<|tool_call>", "<tool_call|>", '<|"|>', "<|channel>", "<channel|>"),
        ends=_GEMMA,
        thinking=Thinking("<|channel>thought", "<channel|>"),
    ),
    Format(
        name="functiongemma",
        read=tagged("<start_function_call>", "<end_function_call>", gemma_call("<escape>")),
        render=each(lambda call: f"<start_function_call>{gemma_text(call, '<escape>')}<end_function_call>", ""),
        openings=("<start_function_call>",),
        special_tags=("<start_function_call>", "<end_function_call>", "<escape>"),
        ends=_GEMMA,
    ),
    Format(
        name="lfm2",
        read=tagged(r"<\|tool_call_start\|>", "<|tool_call_end|>", python_list("<|tool_call_end|>")),
        render=around(
            "<|tool_call_start|>[", each(lambda call: python_call(call, raw_python), ", "), "]<|tool_call_end|>"
        ),
        openings=("<|tool_call_start|>",),
        special_tags=("<|tool_call_start|>", "<|tool_call_end|>"),
        ends=_CHATML,
    ),
    Format(
        name="olmo3",
        read=tagged("<function_calls>", "</function_calls>", python_lines()),
        render=around("<function_calls>", each(python_call), "</function_calls>"),
        openings=("<function_calls>",),
        ends=_CHATML,
    ),
    Format(
        name="granite",
        read=tagged(r"(?:<\|tool_call\|>|<tool_call>)", "", json_list()),
        render=around("<|tool_call|>", list_json, ""),
        openings=("<|tool_call|>", "<tool_call>"),
        marks=("<|tool_call|>",),
        special_tags=("<|tool_call|>",),
        ends=("<|end_of_text|>",),
    ),
    Format(
        name="granite-20b-fc",
        read=tagged("<function_call>", "", json_object()),
        render=each(lambda call: f"<function_call> {call_json(call)}", " "),
        openings=("<function_call>",),
        special_tags=("<function_call>",),
        ends=("<|endoftext|>",),
    ),
    Format(
        name="phi4_mini_json",
        read=tagged(r"functools(?=\[)", "", json_list(("arguments", "parameters"))),
        render=around("functools", list_json, ""),
        openings=("functools[",),
        ends=("<|end|>",),
    ),
    Format(
        name="hunyuan_a13b",
        read=tagged("<tool_calls>", "</tool_calls>", json_list()),
        render=around("<tool_calls>", list_json, "</tool_calls>"),
        openings=("<tool_calls>",),
        ends=("<|eos|>",),
    ),
    Format(
        name="internlm",
        read=tagged(r"<\|action_start\|><\|plugin\|>", "<|action_end|>", json_object(_FORMS)),
        render=each(lambda call: f"<|action_start|><|plugin|>\n{call_json(call, 'parameters')}\n<|action_end|>"),
        openings=("<|action_start|><|plugin|>",),
        special_tags=("<|action_start|>", "<|plugin|>", "<|action_end|>"),
        ends=_CHATML,
    ),
]

_STOPS = "|".join(sorted({re.escape(mark) for form in _TAGGED for mark in form.telling} | {"```"}))
_BRACE = r"(?<=\n)(?=\{\s{0,9}\"(?:name|type|parameters|arguments)\")"
_BRACKET = r"\[\s{0,9}\{"

_BARE = [
    Format(
        name="llama3_json",
        read=bare_json(
            first=r"\s*(?:<\|python_tag\|>|(?=\{))",
            later=rf"<\|python_tag\|>|{_BRACE}",
            content=json_object(_FORMS, {"type": "function"}),
            stops=_STOPS,
            between=";",
        ),
        render=each(lambda call: call_json(call, "parameters"), "; "),
        openings=("{", "<|python_tag|>"),
        marks=("<|python_tag|>",),
        special_tags=("<|python_tag|>",),
        ends=_LLAMA,
    ),
    Format(
        name="llama4_pythonic",
        read=bare_python(("<|python_start|>", "<|python_end|>")),
        render=python_calls,
        openings=("[", "<|python_start|>"),
        marks=("<|python_start|>",),
        special_tags=("<|python_start|>", "<|python_end|>"),
        ends=_LLAMA,
    ),
    Format(name="pythonic", read=bare_python(), render=python_calls, openings=("[",), marks=(), ends=_LLAMA),
    Format(
        name="xlam",
        read=bare_json(
            first=rf"\s*(?=\{{\s{{0,9}}\"(?:thought|tool_calls)\"|{_BRACKET})",
            later=rf"(?<=\n)(?={_BRACKET})",
            content=either(("[", json_list()), ("", wrapped_list("tool_calls", "thought"))),
            stops=_STOPS,
        ),
        render=list_json,
        openings=("[{",),
        marks=(),
        ends=_LLAMA,
    ),
]

_ALIASES = {
    "qwen3_coder": "qwen3_xml",
    "qwen3_json": "hermes",
    "granite4": "hermes",
    "glm47": "glm45",
    "llama4_json": "llama3_json",
    "jamba": "hunyuan_a13b",
    "mimo": "qwen3_xml",
}
_OWN: dict[str, Any] = {form.name: form for form in [*_TAGGED, *_BARE]}

FORMATS: Mapping[str, Format] = {**_OWN, **{alias: _OWN[name] for alias, name in _ALIASES.items()}}
