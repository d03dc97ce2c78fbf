"""How calls are put into the words of a family."""

from collections.abc import Callable, Sequence

from callproof.calls.calls import ToolCall

from .xml import xml_text


def each(form: Callable[[ToolCall], str], between: str = "\n") -> Callable[[Sequence[ToolCall]], str]:
    """Calls one after another."""
    return lambda calls: between.join(map(form, calls))


def around(before: str, form: Callable[[Sequence[ToolCall]], str], after: str) -> Callable[[Sequence[ToolCall]], str]:
    """Calls between two texts; nothing where there are none."""
    return lambda calls: f"{before}{form(calls)}{after}" if calls else ""


def function_xml(call: ToolCall, block: tuple[str, str] = ("<tool_call>", "</tool_call>")) -> str:
    """A call as Qwen3.5 writes it."""
    values = "".join(f"<parameter={key}>\n{xml_text(value)}\n</parameter>\n" for key, value in call.arguments.items())
    return f"{block[0]}\n<function={call.name}>\n{values}</function>\n{block[1]}"


def invoke_xml(call: ToolCall, prefix: str = "") -> str:
    """A call as `invoke` and `parameter` tags."""
    values = "".join(
        f'<{prefix}parameter name="{key}">{xml_text(value)}</{prefix}parameter>\n'
        for key, value in call.arguments.items()
    )
    return f'<{prefix}invoke name="{call.name}">\n{values}</{prefix}invoke>\n'


def dsml(call: ToolCall) -> str:
    """A call as DeepSeek-V3.2 writes it."""
    values = "".join(
        f'<｜DSML｜parameter name="{key}" string="{str(isinstance(value, str)).lower()}">'
        f"{xml_text(value)}</｜DSML｜parameter>\n"
        for key, value in call.arguments.items()
    )
    return f'<｜DSML｜invoke name="{call.name}">\n{values}</｜DSML｜invoke>\n'


def glm(call: ToolCall) -> str:
    """A call as GLM-4.5 writes it."""
    values = "".join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{xml_text(value)}</arg_value>\n" for key, value in call.arguments.items()
    )
    return f"<tool_call>{call.name}\n{values}</tool_call>"
