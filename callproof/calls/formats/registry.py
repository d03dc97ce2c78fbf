"""The formats that are known, by the names of vLLM's `--tool-call-parser`."""

from collections.abc import Mapping
from functools import partial

from .format import Format
from .tagged import render_tagged, tagged_objects

_HERMES = Format(
    name="hermes",
    read=tagged_objects("<tool_call>", "</tool_call>"),
    render=partial(render_tagged, "<tool_call>", "</tool_call>"),
    openings=("<tool_call>",),
    special_tags=("<tool_call>", "</tool_call>"),
    ends=("<|im_end|>",),
)

FORMATS: Mapping[str, Format] = {"hermes": _HERMES}
