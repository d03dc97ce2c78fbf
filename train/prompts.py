"""The prompts of the eval turns in tokens, as training encodes them.

They are cut out of the rows that training makes of the eval sessions: all that stands before a supervised span, so that
whatever the encoder does to a prompt is in them. `python -m evaluate parity` compares them with what a server feeds;
see docs/parity.md.
"""

from collections.abc import Iterator
from itertools import groupby, pairwise

from callproof.catalog import read_catalog
from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.prompt import conversation
from callproof.records import read_text, replacing
from callproof.sessions import read_sessions
from callproof.turns import TurnPrompt, eval_turns
from train.encode import IGNORED, Encoder, Row


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
    template, catalog = read_text(config.data.prompt_path), read_catalog(config.data.tools_path)
    sessions = {session.session_id: session for _, session in read_sessions(config.data.eval_path)}
    for session_id, turns in groupby(eval_turns(config, catalog), key=lambda turn: turn.session_id):
        session = sessions[session_id]
        prompts = row_prompts(encoder.rows(conversation(session, template, catalog, config.prompt)))
        spoken = [index for index, message in enumerate(session.messages) if message.role == "assistant"]
        if len(prompts) != len(spoken):
            where = f"chat template of {encoder.tokenizer.name_or_path}"
            problem = f"{len(prompts)} supervised spans for {len(spoken)} assistant messages of {session_id!r}"
            raise UserError(where, problem, "use another template")
        prompt_at = dict(zip(spoken, prompts, strict=True))
        for turn in turns:
            yield TurnPrompt(turn_id=turn.turn_id, input_ids=tuple(prompt_at[turn.position]))


def row_prompts(rows: list[Row]) -> list[list[int]]:
    """Of each supervised span of the rows, in order, the tokens before it."""
    return [row.input_ids[:start] for row in rows for start in _starts(row.labels)]


def _starts(labels: list[int]) -> list[int]:
    before_and_at = enumerate(pairwise([IGNORED, *labels]))
    return [at for at, (before, label) in before_and_at if before == IGNORED != label]
