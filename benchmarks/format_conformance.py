"""What vLLM's own parser of each format makes of generated calls, whole and streamed, beside what callproof reads.

    python -m benchmarks.format_conformance [--calls 200] [--splits N] [--format NAME ...]

No model runs. Each call is rendered by callproof, read by both sides as a whole, and streamed to vLLM's parser token by
token and in two parts, cut at every token; `--splits`: only the first N calls in two parts. The tokenizer knows every
tag as one token and all other text as bytes, so a cut at every token is one at every character; gpt-oss has its own
vocabulary. vLLM's side is what its server calls: a whole answer, or one delta after another, the last of which ends the
stream. All formats take some minutes on one core; `--format` runs some of them. The last line on stdout is JSON:
format -> how many were equal, and how many differed in which way, with the shortest example of each.
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


class Deltas:
    """The calls that streamed deltas add up to."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._arguments: dict[int, str] = {}

    def add(self, delta: Any) -> None:
        for one in (delta.tool_calls if delta else None) or []:
            name, arguments = (one.function.name, one.function.arguments) if one.function else (None, None)
            self._names[one.index] = self._names.get(one.index, "") + (name or "")
            self._arguments[one.index] = self._arguments.get(one.index, "") + (arguments or "")

    def calls(self) -> list[Any]:
        return [_call(self._names[index], self._arguments[index]) for index in sorted(self._names)]


class Vllm:
    """What vLLM's server parses with: the parser of one format, made anew for each text."""

    def __init__(self, name: str) -> None:
        from vllm.entrypoints.openai.parser.harmony_utils import get_encoding
        from vllm.parser.parser_manager import ParserManager

        harmony = name == "openai"
        self._class: Any = ParserManager.get_parser(tool_parser_name=name, enable_auto_tools=True, is_harmony=harmony)
        self._tokenizer = tokenizer_of(name)
        self._encoding = get_encoding() if harmony else None

    def whole(self, text: str, call: ToolCall) -> Any:
        request = request_of(call)
        _, _, read = self._class(self._tokenizer, request.tools).parse(text, request, True, self._encode(text))
        return [_call(one.name, one.arguments) for one in read or []]

    def streamed(self, text: str, call: ToolCall, cuts: Sequence[int] | None) -> Any:
        """What the deltas add up to; `cuts`: token numbers at which the text is cut, None for every one."""
        request, deltas, parts = request_of(call), Deltas(), pieces(self.letters(text), cuts)
        parser, ids, before = self._class(self._tokenizer, request.tools), [], ""
        for number, piece in enumerate(parts, 1):
            ids = [*ids, *piece]
            now = self._decode(ids)
            last = number == len(parts)
            deltas.add(parser.parse_delta(now[len(before) :], piece, request, [], finished=last))
            before = now
        return deltas.calls()

    def letters(self, text: str) -> list[list[int]]:
        """The tokens of a text; those that make one character together stay together."""
        letters: list[list[int]] = []
        for token in self._encode(text):
            if letters and "\ufffd" in self._decode(letters[-1]):
                letters[-1].append(token)
            else:
                letters.append([token])
        return letters

    def _encode(self, text: str) -> list[int]:
        if self._encoding:
            return self._encoding.encode(text, allowed_special="all")
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _decode(self, tokens: list[int]) -> str:
        return (self._encoding or self._tokenizer).decode(tokens)


def pieces(letters: Sequence[list[int]], cuts: Sequence[int] | None) -> list[list[int]]:
    """The tokens of a text in parts."""
    edges = range(1, len(letters)) if cuts is None else cuts
    bounds = [0, *edges, len(letters)]
    return [[*chain.from_iterable(letters[begin:end])] for begin, end in pairwise(bounds)]


def request_of(call: ToolCall) -> Any:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    messages: Any = [{"role": "user", "content": "?"}]
    return ChatCompletionRequest(messages=messages, tools=tools_of([call]), model="m")  # pyright: ignore[reportArgumentType]


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


class Differences:
    """How often each way of reading was equal, and how it differed elsewhere."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.kinds: dict[str, dict[str, list[Any]]] = {}

    def add(self, way: str, text: str, read: Any, call: ToolCall, cut: int | None = None) -> None:
        same = _same(read, [[call.name, call.arguments]])
        self.counts[way] = self.counts.get(way, 0) + same
        if not same:
            self.kinds.setdefault(way, {}).setdefault(_kind(read, call), []).append([text, cut, read])

    def report(self) -> dict[str, Any]:
        """Of each kind how many there are, and the two shortest examples."""
        return {
            way: {
                kind: {"count": len(rows), "examples": sorted(rows, key=lambda row: len(row[0]))[:2]}
                for kind, rows in kinds.items()
            }
            for way, kinds in self.kinds.items()
        }


def compare(name: str, made: Sequence[ToolCall], splits: int | None) -> dict[str, Any]:
    """How often both sides read the call, and where they differ."""
    side = Vllm(name)
    differences, cuts = Differences(), 0
    for number, call in enumerate(made):
        text = render([call], name)
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of([call])}
        ours = [[one.name, one.arguments] for one in parse(text, name, schemas) if isinstance(one, ToolCall)]
        differences.add("ours", text, ours, call)
        differences.add("whole", text, _tried(side.whole, text, call), call)
        differences.add("streamed", text, _tried(side.streamed, text, call, None), call)
        positions = range(1, len(side.letters(text))) if splits is None or number < splits else ()
        for cut in positions:
            differences.add("in_two", text, _tried(side.streamed, text, call, [cut]), call, cut)
        cuts += len(positions)
    return {"calls": len(made), "cuts": cuts, "equal": differences.counts, "differences": differences.report()}


def _kind(read: Any, call: ToolCall) -> str:
    """In which way a reading differs from the call."""
    if isinstance(read, str):
        return f"raises {read.partition(':')[0]}"
    if len(read) != 1:
        return f"{len(read)} calls"
    name, arguments = read[0]
    if name != call.name:
        return "another name"
    if isinstance(arguments, str):
        return "arguments that are no JSON"
    if isinstance(arguments, dict) and arguments.keys() != call.arguments.keys():
        return "no arguments" if not arguments else "other keys"
    return "other values"


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
    arguments.add_argument("--splits", type=int, help="calls that are streamed in two parts; default: all")
    arguments.add_argument("--format", nargs="*", choices=sorted(FORMATS))
    options = arguments.parse_args()
    logging.disable(logging.CRITICAL)
    made = generated(options.calls)
    names = options.format or sorted({form.name for form in FORMATS.values()})
    results = {}
    for name in names:
        results[name] = compare(name, made, options.splits)
        print(name, results[name]["cuts"], results[name]["equal"], file=sys.stderr)
    print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
