"""Two runs side by side, whatever they are: their figures on the turns that both answered, and how these differ.

A turn is common where both runs asked it under one id, with the same conversation and the same right answers. Models,
servers, system prompts, catalogs, sampling and channels may differ: what does is told, and nothing is refused for it.
`gate` is the strict comparison, which tells whether one may replace the other.
"""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from callproof.errors import UserError
from callproof.records import Record
from callproof.scoring import Channel, Difference, Estimate, Outcome
from callproof.turns import Turn, digest

from ..gate import Flip, Side, channel_of, flips, read_side
from ..report import Explorer, Summary, summarise_run
from ..runs import Run, RunInfo, choose_model, find_run, read_as


class Chosen(NamedTuple):
    """One side as it was asked for: a model of a run, in one channel."""

    run: Run
    info: RunInfo
    model: str
    channel: Channel

    def read(self, only: Container[str]) -> Side:
        return read_side(self.run, self.info, self.model, self.channel, only)


class Comparison(Record):
    """What `diff --json` writes. Fractions; a difference is the second run minus the first, paired by turn.

    Attributes:
        left_out: turns that are not common, by reason.
        notes: what else differs between the runs.
        metrics: column -> metric -> value, over the common turns.
        broken, mended: the common turns that went from right to wrong, and from wrong to right.
    """

    schema_version: Literal[1] = 1
    baseline: dict[str, str]
    candidate: dict[str, str]
    turns: int
    sessions: int
    left_out: dict[str, int]
    notes: tuple[str, ...]
    metrics: dict[str, dict[str, Estimate]]
    differences: dict[str, Difference]
    broken: tuple[Flip, ...]
    mended: tuple[Flip, ...]


class Pair(NamedTuple):
    """A comparison, with what its tables and its report are made of; `turns` are the ids of those that are common."""

    comparison: Comparison
    info: RunInfo
    summary: Summary
    turns: Container[str]


def choose(name: str, runs: Path, model: str | None, channel: Channel | None, option: str) -> Chosen:
    """A side by the run's folder, id or blessed name; `option` is how its model is given.

    Raises:
        UserError: no such run, the model is not clear, or the run has not the channel.
    """
    run, blessed = find_run(name, runs)
    info = run.info()
    return Chosen(run, info, choose_model(info, model or blessed, option), channel_of(info, channel))


def compare(first: Chosen, second: Chosen) -> Pair:
    """Hold the second side against the first.

    Raises:
        UserError: both are one, they have no turn in common, or a file is missing or malformed.
    """
    if (first.run.path.resolve(), first.model) == (second.run.path.resolve(), second.model):
        mend = "give another run, or other models with --baseline-model and --candidate-model"
        raise UserError(second.run.path, f"is held against itself ({second.model})", mend)
    common = _common(first, second)
    before, after = _paired(first, second, common.turns)
    left_out = {**common.left_out, "answered by one side only": len(common.turns) - len(after.judged)}
    notes = (*_notes(first, second), *common.notes)
    columns = _columns(first, second)
    info = _pair_info(second, after, columns, notes, f"{second.run.path.name} against {first.run.path.name}")
    summary = summarise_run(info, dict(zip(columns, (before.tally, after.tally), strict=True)), columns[0])
    broken, mended = flips(before, after)
    comparison = Comparison(
        baseline=before.name(),
        candidate=after.name(),
        turns=info.turns,
        sessions=info.sessions,
        left_out={reason: count for reason, count in left_out.items() if count},
        notes=notes,
        metrics={column: figures.metrics for column, figures in summary.models.items()},
        differences=summary.differences[columns[1]],
        broken=broken,
        mended=mended,
    )
    return Pair(comparison, info, summary, after.judged)


def explorer_of(first: Chosen, second: Chosen, pair: Pair) -> Explorer:
    """Every common turn with both answers, for the report; the turns are those of the second run."""
    turns = (turn for turn in second.run.turns() if turn.turn_id in pair.turns)
    explorer = Explorer(pair.info.models, turns, second.info.identity.match)
    for column, side in zip(pair.info.models, (first, second), strict=True):
        for outcome, _ in read_as(side.run.outcomes_path, Outcome):
            if outcome.turn_id in explorer and (outcome.model, outcome.channel) == (side.model, side.channel):
                explorer.add(column, outcome)
    return explorer


class _Asked(NamedTuple):
    """Digests of what a turn asks, of its system prompt and of its tools."""

    question: str
    system: str
    tools: str


class _Common(NamedTuple):
    turns: set[str]
    left_out: dict[str, int]
    notes: tuple[str, ...]


def _common(first: Chosen, second: Chosen) -> _Common:
    one, other = _asked(first.run), _asked(second.run)
    shared = one.keys() & other.keys()
    turns = {turn for turn in shared if one[turn].question == other[turn].question}
    if not turns:
        mend = "compare runs of one domain"
        raise UserError(second.run.path, f"has no turn in common with {first.run.path}", mend)
    left_out = {
        "asked by the first run only": len(one) - len(shared),
        "asked by the second run only": len(other) - len(shared),
        "with another conversation or other gold under one id": len(shared) - len(turns),
    }
    notes = []
    for what in ("system", "tools"):
        count = sum(getattr(one[turn], what) != getattr(other[turn], what) for turn in turns)
        name = {"system": "the system prompts", "tools": "the catalogs"}[what]
        notes += [f"{name} differ in {count:,} of {len(turns):,} common turns"] if count else []
    return _Common(turns, left_out, tuple(notes))


def _asked(run: Run) -> dict[str, _Asked]:
    if not run.turns_path.is_file():
        mend = "compare the run that it was copied from, or bless that anew"
        raise UserError(run.path, "holds no turns.jsonl", mend)
    return {turn.turn_id: _digests(turn) for turn in run.turns()}


def _digests(turn: Turn) -> _Asked:
    system = [message for message in turn.messages if message.get("role") == "system"]
    rest = [message for message in turn.messages if message.get("role") != "system"]
    right = [[call.model_dump(mode="json") for call in answer] for answer in turn.answers]
    return _Asked(digest([rest, right, turn.any_call, turn.order]), digest(system), digest(turn.catalog))


def _paired(first: Chosen, second: Chosen, turns: set[str]) -> tuple[Side, Side]:
    """Both sides, over the turns that both answered."""
    sides = first.read(turns), second.read(turns)
    shared = sides[0].judged.keys() & sides[1].judged.keys()
    if not shared:
        raise UserError(second.run.path, f"has answered no turn that {first.run.path} has", "finish it with --resume")
    if all(side.judged.keys() == shared for side in sides):
        return sides
    return first.read(shared), second.read(shared)


def _notes(first: Chosen, second: Chosen) -> Iterator[str]:
    """What makes the runs other than repetitions of each other, turns and prompts aside."""
    one, other = first.info, second.info
    for field in ("scorer", "sampling", "match", "format", "raw_text"):
        before, after = getattr(one.identity, field), getattr(other.identity, field)
        if before != after:
            yield f"{field}: {before} against {after}"
    for name, before, after in (
        ("channel", first.channel, second.channel),
        ("server", one.server_version, other.server_version),
        ("chat template", one.template_hash, other.template_hash),
    ):
        if before != after:
            yield f"{name}: {before} against {after}"
    for side in (first, second):
        if side.info.state:
            yield f"{side.run.path} is {side.info.state}"


def _columns(first: Chosen, second: Chosen) -> tuple[str, str]:
    """Names that tell the sides apart: of the models, the runs or the folders."""
    names = (
        (first.model, second.model),
        (first.run.path.name, second.run.path.name),
        (str(first.run.path), str(second.run.path)),
    )
    return next(pair for pair in names if pair[0] != pair[1])


def _pair_info(second: Chosen, after: Side, columns: tuple[str, str], notes: tuple[str, ...], name: str) -> RunInfo:
    """A run.json for the pair, as reports read it."""
    identity = second.info.identity.model_copy(update={"channel": second.channel})
    sessions = len({judged.session_id for judged in after.judged.values()})
    return second.info.model_copy(
        update={
            "run_id": name,
            "models": columns,
            "identity": identity,
            "turns": len(after.judged),
            "sessions": sessions,
            "warnings": notes,
        }
    )
