"""What vLLM's own parser of each format makes of generated calls, whole and streamed, beside what callproof reads.

    python -m benchmarks.format_conformance [--calls 200] [--splits 10] [--format NAME ...]

No model runs. Each call is rendered by callproof, read by both sides as a whole, and streamed to vLLM's parser token by
token; the first `--splits` calls are also streamed in two parts, cut at every token. The tokenizer knows every tag as
one token and all other text as bytes. The last line on stdout is JSON: format -> how many were equal, and examples.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "CRITICAL")

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from callproof.calls import ToolCall, parse, render
from callproof.calls.formats import FORMATS, tools_of

UNREAD = {"openai": "its parser takes tokens of gpt-oss's own vocabulary"}
WITHOUT = {"mistral": {"[ARGS]", "[CALL_ID]"}}  # the notation with a list belongs to tokenizers that lack them

texts = st.sampled_from(["3", "true", "null", "2026-01-05", "it's", 'say "no"', "a\nb", "a < b", "x]", "é 日本", ""])
texts |= st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
values = texts | st.integers(-(10**6), 10**6) | st.booleans() | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
nested = values | st.lists(values, max_size=3) | st.dictionaries(st.from_regex(r"\A[a-z]{1,4}\Z"), values, max_size=2)
calls = st.builds(
    ToolCall,
    name=st.sampled_from(["get_weather", "f"]),
    arguments=st.dictionaries(st.from_regex(r"\A[a-z][a-z_]{0,6}\Z"), nested, max_size=3),
)


def generated(count: int) -> list[ToolCall]:
    made: list[ToolCall] = []

    @seed(0)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(calls)
    def collect(call: ToolCall) -> None:
        made.append(call)

    collect()
    return made[:count]


def tokenizer_of(name: str) -> Any:
    """A tokenizer of bytes and tags."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    forms = FORMATS.values()
    tags = {tag for form in forms for tag in (*form.special_tags, *form.wrappers, *form.ends, *form.thinking)}
    tags |= {"<｜DSML｜function_calls>", "</｜DSML｜function_calls>"}
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(letters, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    wanted = sorted(tags - WITHOUT.get(name, set()))
    inner.add_special_tokens([AddedToken(tag, special=True, normalized=False) for tag in wanted])
    return PreTrainedTokenizerFast(tokenizer_object=inner)


class Vllm:
    """vLLM's parser of one format, made anew for each text."""

    def __init__(self, name: str) -> None:
        from vllm.tool_parsers import ToolParserManager

        self._class: Any = ToolParserManager.get_tool_parser(name)
        self._tokenizer = tokenizer_of(name)

    def whole(self, text: str, call: ToolCall) -> Any:
        parser, request = self._parser(call)
        read = parser.extract_tool_calls(text, request).tool_calls
        return [_call(one.function.name, one.function.arguments) for one in read]

    def streamed(self, text: str, call: ToolCall, cuts: Sequence[int] | None) -> Any:
        """What the deltas add up to; `cuts`: token numbers at which the text is cut, None for every one."""
        parser, request = self._parser(call)
        names: dict[int, str] = {}
        arguments: dict[int, str] = {}
        before, ids = "", []
        for piece in self.pieces(text, cuts):
            now, added = before + self._tokenizer.decode(piece), [*ids, *piece]
            delta = parser.extract_tool_calls_streaming(before, now, now[len(before) :], ids, added, piece, request)
            before, ids = now, added
            for one in (delta.tool_calls if delta else None) or []:
                names[one.index] = names.get(one.index, "") + ((one.function and one.function.name) or "")
                arguments[one.index] = arguments.get(one.index, "") + ((one.function and one.function.arguments) or "")
        return [_call(names[index], arguments[index]) for index in sorted(names)]

    def pieces(self, text: str, cuts: Sequence[int] | None) -> list[list[int]]:
        """The tokens of a text in parts; the bytes of one character stay together."""
        letters: list[list[int]] = []
        for token in self._tokenizer.encode(text, add_special_tokens=False):
            if letters and "\ufffd" in self._tokenizer.decode(letters[-1]):
                letters[-1].append(token)
            else:
                letters.append([token])
        edges = range(1, len(letters)) if cuts is None else [cut for cut in cuts if 0 < cut < len(letters)]
        bounds = [0, *edges, len(letters)]
        return [[*chain.from_iterable(letters[begin:end])] for begin, end in pairwise(bounds)]

    def _parser(self, call: ToolCall) -> Any:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        messages: Any = [{"role": "user", "content": "?"}]
        request = ChatCompletionRequest(messages=messages, tools=tools_of([call]), model="m")  # pyright: ignore[reportArgumentType]
        return self._class(self._tokenizer, request.tools), request


def _call(name: str | None, arguments: str | None) -> Any:
    try:
        return [name, json.loads(arguments or "{}")]
    except ValueError:
        return [name, f"no JSON: {arguments}"]


def _tried(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except Exception as error:  # vLLM's parsers may raise anything
        return f"{type(error).__name__}: {error}"[:120]


def compare(name: str, made: Sequence[ToolCall], splits: int) -> dict[str, Any]:
    """How often both sides read the call, and the first differences."""
    vllm = Vllm(name)
    counts = {"calls": len(made), "ours": 0, "whole": 0, "streamed": 0, "splits": 0, "splits_equal": 0}
    examples: dict[str, list[Any]] = {"ours": [], "whole": [], "streamed": [], "splits": []}
    for number, call in enumerate(made):
        text = render([call], name)
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of([call])}
        wanted = [[call.name, call.arguments]]
        ways = {"ours": [[one.name, one.arguments] for one in parse(text, name, schemas) if isinstance(one, ToolCall)]}
        ways["whole"] = _tried(vllm.whole, text, call)
        ways["streamed"] = _tried(vllm.streamed, text, call, None)
        for way, read in ways.items():
            counts[way] += _same(read, wanted)
            if not _same(read, wanted):
                examples[way].append([text, read])
        for cut in range(1, len(vllm.pieces(text, None))) if number < splits else ():
            read = _tried(vllm.streamed, text, call, [cut])
            counts["splits"] += 1
            counts["splits_equal"] += _same(read, wanted)
            if not _same(read, wanted):
                examples["splits"].append([text, cut, read])
    shortest = {way: sorted(rows, key=lambda row: len(row[0]))[:3] for way, rows in examples.items() if rows}
    return {**counts, "examples": shortest}


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are one number, a boolean is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--calls", type=int, default=200)
    arguments.add_argument("--splits", type=int, default=10)
    arguments.add_argument("--format", nargs="*", choices=sorted(FORMATS))
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    made = generated(options.calls)
    names = options.format or sorted({form.name for form in FORMATS.values()} - set(UNREAD))
    results = {}
    for name in names:
        results[name] = compare(name, made, options.splits)
        print(name, {key: value for key, value in results[name].items() if key != "examples"}, file=sys.stderr)
    print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
