"""The prompts of the eval turns in tokens, as training encodes them.

They are cut out of the rows that training makes of the eval sessions (all that stands before a supervised span), so
they show exactly what the encoder does to a prompt. `callproof evaluate parity` compares them with what a server feeds;
see docs/explanation/parity.md.
"""

from collections.abc import Iterator
from itertools import pairwise

from callproof.config import RunConfig, Split
from callproof.records import replacing
from callproof.turns import TurnPrompt, asked_sessions

from .data import context_length
from .encode import IGNORED, Encoder, Row
from .hub_data import read_records
from .template import Unrenderable


def write_eval_prompts(config: RunConfig, encoder: Encoder) -> int:
    """Write `config.eval_prompts_path`, one line for each tool-eval turn; returns how many.

    Raises:
        UserError: bad sessions or catalog, or a template that cannot be supervised.
    """
    lines = [prompt.model_dump_json().encode() + b"\n" for prompt in eval_prompts(config, encoder)]
    with replacing(config.eval_prompts_path) as file:
        file.writelines(lines)
    return len(lines)


def eval_prompts(config: RunConfig, encoder: Encoder) -> Iterator[TurnPrompt]:
    """The prompt of each tool-eval turn, in the order of the turns; raises as `write_eval_prompts`."""
    for held_out in asked_sessions(config, read_records, "eval", config.eval.max_sessions):
        session = held_out.session
        try:
            prompts = row_prompts(encoder.rows(held_out.whole))
        except Unrenderable as error:
            if config.data.unrenderable == "error":
                raise error.at(config.data.source("eval"), session.session_id) from None
            continue
        learnt = [message.role == "assistant" and message.train for message in session.messages]
        positions = [index for index, is_learnt in enumerate(learnt) if is_learnt]
        prompt_at = dict(zip(positions, prompts, strict=True))
        for turn in held_out.turns:
            yield TurnPrompt(turn_id=turn.turn_id, input_ids=tuple(prompt_at[turn.position]))


def question_rows(config: RunConfig, encoder: Encoder, split: Split = "train") -> Iterator[dict[str, str]]:
    """A row for each turn of a split, for a trainer that asks the model itself: columns `prompt` and `turn`.

    `prompt` is the text up to the answer, as training shows it; `turn` is for `callproof.reward`. Sessions that the
    template cannot write and turns whose prompt is longer than `data.max_context_length` are left out.

    Raises:
        UserError: bad sessions or catalog, or a template that cannot be supervised.
    """
    longest = context_length(config)
    for asked in asked_sessions(config, read_records, split):
        for turn in asked.turns:
            try:
                prompt = encoder.prompt(turn)
            except Unrenderable as error:
                if config.data.unrenderable == "error":
                    raise error.at(config.data.source(split), asked.session.session_id) from None
                continue
            if len(encoder.tokenizer(prompt, add_special_tokens=False)["input_ids"]) < longest:
                yield {"prompt": prompt, "turn": turn.model_dump_json()}


def row_prompts(rows: list[Row]) -> list[list[int]]:
    """The prompt of each supervised span, in order: all tokens of its row that stand before it."""
    return [row.input_ids[:start] for row in rows for start in _starts(row.labels)]


def _starts(labels: list[int]) -> list[int]:
    before_and_at = enumerate(pairwise([IGNORED, *labels]))
    return [at for at, (before, label) in before_and_at if before == IGNORED != label]
