"""Token parity: does the server give the model, token by token, the prompts of training?

Training writes the prompt tokens of every answer in the eval sessions (`RunConfig.eval_prompts_path`); POST /tokenize
gives those of the server. A different chat template, catalog order, tokenizer, system prompt or date line shows as a
difference, and a token diff of the first turn that differs is printed. See docs/explanation/parity.md.
"""

import asyncio
import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Literal

from pydantic import ValidationError

from callproof.config import RunConfig, load
from callproof.console import last_line, say
from callproof.endpoint import Abilities, Endpoint, NoAnswer, ServedPrompt, probe_prompt, require_models, served_prompt
from callproof.errors import EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION, UserError
from callproof.records import Record, explain, read_jsonl, write_json
from callproof.turns import Turn, TurnPrompt, eval_turns

SHOWN = 48
STRETCH = 12
COMPARED = 1024
SCHEMA_VERSION = 1
_MARKS = {"both": " ", "training": "-", "server": "+"}

Side = Literal["both", "training", "server"]
Pair = tuple[Turn, tuple[int, ...]]


class DiffToken(Record):
    """One token of a diff; `position` is its index in its side's prompt (in training's if both have it)."""

    side: Side
    position: int
    token: int
    text: str | None


class Differing(Record):
    """A turn whose prompts differ: their lengths, and the index of the first different token."""

    turn_id: str
    training_tokens: int
    server_tokens: int
    first: int


class Parity(Record):
    """The result; `diff` shows the first turn in `different`, around its first different token.

    `server` holds what the endpoint told of itself: version, chat template, whether the prompt has the turn's tools.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    endpoint: str
    server: Abilities
    model: str
    turns: int
    different: tuple[Differing, ...]
    diff: tuple[DiffToken, ...]

    @property
    def equal(self) -> int:
        return self.turns - len(self.different)


def parity(args: Namespace) -> int:
    """Compare, print and write. Returns 0: all equal, 1: a difference, 3: the endpoint could not be asked."""
    config = load(args.config, args.overrides)
    url = args.endpoint or f"http://{config.serve.host}:{config.serve.port}"
    try:
        result = asyncio.run(compare(config, trained_prompts(config, str(args.config)), url, args.model or config.name))
    except NoAnswer as error:
        say(f"error: the endpoint could not be asked: {error}")
        return EXIT_INVALID
    if args.out:
        write_json(args.out, {**result.model_dump(mode="json"), "equal": result.equal})
    for line in tell(result):
        print(line)
    first = result.different[0].turn_id if result.different else None
    last_line({"name": result.name, "turns": result.turns, "equal": result.equal, "first_difference": first})
    return EXIT_REGRESSION if result.different else EXIT_PASS


def trained_prompts(config: RunConfig, config_path: str) -> list[Pair]:
    """The eval turns of a configuration, each with the prompt tokens of training.

    Raises:
        UserError: there is no file of them, it is malformed, or it lacks a turn.
    """
    path = config.eval_prompts_path
    turns = eval_turns(config)
    mend = (
        f"train (callproof train --config {config_path}), or write it: callproof train prompts --config {config_path}"
    )
    if not path.is_file():
        raise UserError(path, "there are no prompts of a training", mend)
    prompts = {}
    for number, value in read_jsonl(path):
        try:
            prompt = TurnPrompt.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{path}:{number}", explain(error), mend) from None
        prompts[prompt.turn_id] = prompt.input_ids
    if missing := [turn.turn_id for turn in turns if turn.turn_id not in prompts]:
        problem = f"lacks {len(missing)} of the {len(turns)} eval turns, the first is {missing[0]!r}"
        raise UserError(path, problem, mend)
    return [(turn, prompts[turn.turn_id]) for turn in turns]


async def compare(config: RunConfig, pairs: Sequence[Pair], url: str, model: str) -> Parity:
    """Ask the endpoint for its prompt of every turn, `eval.concurrency` at a time.

    Raises:
        NoAnswer: the endpoint is down, or does not tell its tokens.
        UserError: `url` is no URL, or the model is not served there.
    """
    async with Endpoint.of(url, config.eval) as endpoint:
        server = await _look(endpoint, pairs[0][0], model)
        served = await _ask_all(endpoint, [turn for turn, _ in pairs], model)
        prompts = [(turn.turn_id, ours, theirs) for (turn, ours), theirs in zip(pairs, served, strict=True)]
        different = [prompt for prompt in prompts if prompt[1] != prompt[2].tokens]
        diff = await _readable(endpoint, model, *different[0][1:]) if different else ()
    return Parity(
        name=config.name,
        endpoint=endpoint.root,
        server=server,
        model=model,
        turns=len(pairs),
        different=tuple(_differing(*prompt) for prompt in different),
        diff=diff,
    )


def _differing(turn_id: str, ours: tuple[int, ...], served: ServedPrompt) -> Differing:
    first = first_difference(ours, served.tokens)
    return Differing(turn_id=turn_id, training_tokens=len(ours), server_tokens=len(served.tokens), first=first)


async def _look(endpoint: Endpoint, turn: Turn, model: str) -> Abilities:
    """What the server tells of itself; raises NoAnswer unless it serves the model and tells the tokens of a prompt."""
    try:
        await endpoint.models()
    except UserError as error:
        raise NoAnswer(str(error)) from None
    await require_models(endpoint, [model])
    server = await probe_prompt(endpoint, turn, model)
    if not server.tokenize:
        raise NoAnswer(server.reasons["tokenize"])
    return server


async def _ask_all(endpoint: Endpoint, turns: Sequence[Turn], model: str) -> list[ServedPrompt]:
    landed = 0

    async def ask(turn: Turn) -> ServedPrompt:
        nonlocal landed
        served = await served_prompt(endpoint, turn, model)
        landed += 1
        if landed * 10 // len(turns) > (landed - 1) * 10 // len(turns):
            say(f"{landed} of {len(turns)} turns asked")
        return served

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(turn)) for turn in turns]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """Index of the first token that differs, or that only one side has."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False)))


async def _readable(
    endpoint: Endpoint, model: str, ours: tuple[int, ...], served: ServedPrompt
) -> tuple[DiffToken, ...]:
    """The diff with the text of each token, from the strings of /tokenize or else by POST /detokenize."""
    diff = diff_tokens(ours, served.tokens)
    texts: dict[int, str | None] = dict(zip(served.tokens, served.strings, strict=False))
    for token in sorted({entry.token for entry in diff} - set(texts)):
        text = (await endpoint.probe("/detokenize", {"model": model, "tokens": [token]})).get("prompt")
        texts[token] = text if isinstance(text, str) else None
    return tuple(entry.model_copy(update={"text": texts[entry.token]}) for entry in diff)


def diff_tokens(ours: tuple[int, ...], theirs: tuple[int, ...]) -> list[DiffToken]:
    """A diff of two prompts from shortly before their first difference on; texts are None.

    At most SHOWN tokens, and at most STRETCH of any run of equal or of different tokens.
    """
    first = first_difference(ours, theirs)
    window = slice(first, first + COMPARED)
    blocks = SequenceMatcher(None, ours[window], theirs[window], autojunk=False).get_opcodes()
    diff = [*_stretch("both", ours, max(0, first - STRETCH), first)]
    for kind, left, right, other_left, other_right in blocks:
        if kind == "equal":
            diff += _stretch("both", ours, first + left, first + right)
        else:
            diff += _stretch("training", ours, first + left, first + right)
            diff += _stretch("server", theirs, first + other_left, first + other_right)
    return diff[:SHOWN]


def _stretch(side: Side, tokens: tuple[int, ...], start: int, end: int) -> Iterator[DiffToken]:
    for position in range(start, min(end, start + STRETCH)):
        yield DiffToken(side=side, position=position, token=tokens[position], text=None)


def tell(result: Parity) -> Iterator[str]:
    """The result as lines of text."""
    where = f"{result.model} at {result.endpoint}"
    yield f"{result.name}: {result.equal} of {result.turns} prompts equal those of training, token by token ({where})"
    if not result.different:
        return
    first = result.different[0]
    yield f"{first.turn_id}: {first.training_tokens} tokens in training, {first.server_tokens} from the server"
    yield f"they differ from token {first.first} on (- training, + server; position, id, token):"
    for entry in result.diff:
        text = json.dumps(entry.text, ensure_ascii=False)
        yield f"  {_MARKS[entry.side]} {entry.position:>6} {entry.token:>7}  {text}"
