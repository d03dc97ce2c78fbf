"""What the sessions of a configuration hold, and what would spoil a training on them.

Counts need no more than the sessions; figures in tokens need the base model's tokenizer, and without one say so.
Near-duplicates are sessions of a Jaccard similarity of ALIKE or more, see callproof.sessions.likeness. A training is
spoiled by gold calls that their own schema rejects, by eval sessions that are near-duplicates of training sessions,
contained in one, or of one conversation with one (one goes on where the other ends, or both name it), by sessions that
the chat template cannot write (unless `data.unrenderable` drops them), and by splits of which nothing is left.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from callproof.config import RunConfig, Split, names_folder
from callproof.console import counted, say
from callproof.errors import UserError
from callproof.records import Record
from callproof.sessions import Alike, Corpus, Outline, Session, Texts, Told, duplicates, leaks
from callproof.turns import NO_TOOLS, Conversation, Domain, digests_of_splits, sessions_of_splits, supervised

from ..rows.data import LeftOut, context_length, encode_session, encode_sessions, load_encoder
from ..rows.encode import IGNORED, Encoder, Row
from ..rows.hashes import SPLITS
from ..rows.hub_data import read_raw, require_hub
from ..rows.template import Unrenderable
from ..rows.texts import Text, split_texts, text_row
from .facts import FactFinder, Facts
from .fit import MOST_NAMED, Fit
from .many_rows import ManyRows, RowCount
from .restraint import Restraint

RESPONSES = ("text", "calls", "text and calls", "empty")
_PERCENTILES = (50, 90, 99, 100)


class Tokens(Record):
    """Tokens of the rows that are left: their number, and lengths of a row by percentile (100: the longest)."""

    rows: int
    total: int
    supervised: int
    percentiles: dict[int, int]


class Dropped(Record):
    """A session that is left out of training, and why."""

    session_id: str
    reason: str


class Pair(Record):
    """Two sessions that are near-duplicates, or one conversation; `similarity` is 0 to 1, and 1 for the latter."""

    session_id: str
    like: str
    similarity: float


class SplitReport(Record):
    """Figures of one split.

    `responses` counts assistant messages by what they hold; `rejected` is `file:line: why`; `invented_dates` counts
    sessions whose prompt has a date that is not theirs; `restraint` the answers to the user that do not call;
    `cut_answers` names those over `eval.max_tokens`; `misfits` tells of catalogs that no call fits; `unrenderable` is
    `file:line: why` of each session that training would refuse, since the chat template cannot write it.
    """

    path: str
    sessions: int
    turns: int
    responses: dict[str, int]
    calls: dict[str, int]
    no_call_share: float | None
    restraint: Restraint
    tokens: Tokens | None
    dropped: tuple[Dropped, ...]
    rejected: tuple[str, ...]
    misfits: tuple[str, ...]
    unrenderable: tuple[str, ...]
    invented_dates: int
    cut_answers: tuple[str, ...]
    many_rows: ManyRows | None


class Report(Record):
    """What `check` reports. `no_tokens`: why there are no figures in tokens; None where there are."""

    name: str
    splits: dict[str, SplitReport]
    never_called: tuple[str, ...]
    duplicates: tuple[Pair, ...]
    leaks: tuple[Pair, ...]
    no_tokens: str | None

    @property
    def spoiled(self) -> list[str]:
        """What would spoil the training, one line each; empty if nothing does."""
        problems = [
            f"gold calls in {name} that their schema rejects: {len(split.rejected)} problems"
            for name, split in self.splits.items()
            if split.rejected
        ]
        problems += [line for name, split in self.splits.items() for line in _unwritten(name, split)]
        if self.leaks:
            problems.append(f"eval sessions that are nearly training sessions: {len(self.leaks)}")
        return problems + [f"nothing is left of {name}" for name, split in self.splits.items() if _nothing_left(split)]


def _nothing_left(split: SplitReport) -> bool:
    return not (split.turns if split.tokens is None else split.tokens.supervised)


def _unwritten(name: str, split: SplitReport) -> Iterator[str]:
    """A line on the sessions of a split that the chat template cannot write, if there are any."""
    if split.unrenderable:
        places = "; ".join(split.unrenderable[:MOST_NAMED])
        yield f"sessions in {name} that the chat template cannot write: {len(split.unrenderable)} ({places})"


class Example(NamedTuple):
    """A row to show, and the session that it comes from."""

    session_id: str
    where: str
    row: Row


class Found(NamedTuple):
    report: Report
    examples: list[Example]


def check(config: RunConfig, encoder: Encoder | str, show: int = 0, with_catalog: bool = True) -> Found:
    """Read both splits and report on them.

    Args:
        encoder: of the base model, or the reason why there is none.
        show: how many examples to keep, the first of the training split.
        with_catalog: whether the rows show the tools.

    Raises:
        UserError: a file is missing or malformed, or the template cannot be supervised.
    """
    used = None if isinstance(encoder, str) else encoder
    splits: dict[Split, _SplitCount] = {split: _SplitCount(split, config, used, with_catalog) for split in SPLITS}
    corpora = {split: Corpus() for split in SPLITS}
    for split, outline in _read(config, splits, show, used is not None):
        corpora[split].take(outline)
    train, held_out = corpora.values()
    ids = {name: split.ids for name, split in splits.items()}
    report = Report(
        name=config.name,
        splits={name: split.report() for name, split in splits.items()},
        never_called=tuple(name for name in splits["train"].tools if not splits["train"].calls[name]),
        duplicates=_pairs(duplicates(train), ids["train"], ids["train"]),
        leaks=_leaks(leaks(held_out, train), *(splits[split] for split in ("eval", "train"))),
        no_tokens=encoder if isinstance(encoder, str) else None,
    )
    return Found(report, splits["train"].examples)


def _read(
    config: RunConfig, counts: "dict[Split, _SplitCount]", show: int, encodes: bool
) -> Iterator[tuple[Split, Outline]]:
    """The split and the outline of each session or text, once it is counted."""
    if config.data.text == "as_is":
        for split, count in counts.items():
            for text in counted(split_texts(config, split), f"reading {config.data.source(split)}", "texts"):
                yield split, Outline.of(count.take_text(text, show))
        return
    reading = f"reading {', '.join(dict.fromkeys(map(config.data.source, counts)))}"
    find, splits = FactFinder(config), tuple(counts)
    if encodes:
        for split, where, session in counted(sessions_of_splits(config, splits, read_raw), reading, "sessions"):
            facts = find(where, session)
            counts[split].take(facts, where)
            counts[split].encode(session, where, show)
            yield split, facts.outline
        return
    for split, where, facts in counted(digests_of_splits(config, splits, find, read_raw), reading, "sessions"):
        counts[split].take(facts, where)
        yield split, facts.outline


def rows_of_splits(config: RunConfig) -> dict[str, dict[str, int] | None]:
    """Counts of the rows that training would make of each split; None where the base's tokenizer cannot be had.

    Raises:
        UserError: see `train.rows.data.encode_sessions`.
    """
    encoder = make_encoder(config)
    if isinstance(encoder, str):
        say(f"rows are not checked: {encoder}")
        return {"rows": None}
    return {f"{split}_rows": encode_sessions(split, config, encoder).counts() for split in SPLITS}


def make_encoder(config: RunConfig) -> Encoder | str:
    """The base model's encoder, or why there is none: no transformers here, or a hub that cannot be reached.

    Raises:
        UserError: the base is a folder and does not serve.
    """
    try:
        require_hub(config.model)  # before transformers, which is slow to import
        return load_encoder(config.model)
    except ImportError as error:
        return f"{error.name} is not installed: pip install 'callproof[train]'"
    except UserError as error:
        if names_folder(config.model.base_model):
            raise
        return str(error)


def _pairs(likenesses: list[Alike], ids: Texts, others: Texts) -> tuple[Pair, ...]:
    return tuple(
        Pair(session_id=ids[pair.number], like=others[pair.other], similarity=round(pair.similarity, 3))
        for pair in likenesses
    )


def _leaks(likenesses: list[Alike], held_out: "_SplitCount", train: "_SplitCount") -> tuple[Pair, ...]:
    """The eval sessions that are like one of training, or of one conversation with it."""
    shared = held_out.told.shared_with(train.told)
    alike = [pair for pair in likenesses if pair.number not in shared]
    likenesses = sorted([*alike, *(Alike(number, other, 1.0) for number, other in shared.items())])
    return _pairs(likenesses, held_out.ids, train.ids)


def _longest_answer(row: Row) -> int:
    """Tokens of the longest run of labels."""
    runs = (len(list(run)) for learnt, run in groupby(row.labels, lambda label: label != IGNORED) if learnt)
    return max(runs, default=0)


class _SplitCount:
    """The figures of one split, counted while its sessions are read."""

    def __init__(self, split: Split, config: RunConfig, encoder: Encoder | None, with_catalog: bool) -> None:
        self._split: Split = split
        self._config, self._encoder, self._with_catalog = config, encoder, with_catalog
        self._domain, self._path = Domain(config), config.data.source(split)
        self._responses: Counter[str] = Counter()
        self._lengths: list[int] = []
        self._supervised = 0
        self._dropped: list[Dropped] = []
        self._rejected: list[str] = []
        self._unrenderable: list[str] = []
        self._fit = Fit()
        self._restraint = Restraint()
        self._invented_dates = 0
        self._cut: list[str] = []
        self._many_rows: RowCount | None = None
        self.calls: Counter[str] = Counter()
        self.tools: dict[str, None] = {}
        self.ids = Texts()
        self.told = Told()
        self.examples: list[Example] = []

    def take(self, facts: Facts, where: str) -> None:
        """Count one more session."""
        if facts.error:
            raise facts.error
        self.tools.update(dict.fromkeys(facts.tools))
        self.ids.append(facts.session_id)
        self.told.add(facts.tale, facts.group, facts.conversation)
        learnt = facts.learnt
        self._fit.take(learnt, where)
        if facts.tools:
            turns, decisions = sum(answer.restrains for answer in learnt), sum(answer.decides for answer in learnt)
            self._restraint = self._restraint.add(turns, decisions)
        self._responses.update([answer.parts for answer in learnt])
        self.calls.update([name for answer in learnt for name in answer.calls])
        self._rejected += [f"{where}: {problem}" for answer in learnt for problem in answer.problems]
        for line in (line for answer in learnt for line in answer.unjudged):
            say(f"{where}: {line}")
        self._invented_dates += self._config.prompt.date_line and facts.is_undated

    def encode(self, session: Session, where: str, show: int) -> None:
        """Make the rows of a session that is counted; `show`: how many examples to keep."""
        if self._encoder:
            try:
                self._encode(self._encoder, session, where, show)
            except Unrenderable as error:
                self._unrenderable.append(str(error))

    def take_text(self, text: Text, show: int) -> list[dict[str, Any]]:
        """Count one more text that is trained on as it is; gives it as a message."""
        where, name, words = text
        self.ids.append(name)
        self._responses["text"] += 1
        row = text_row(self._encoder, words) if self._encoder else None
        if row and len(row.input_ids) > (limit := context_length(self._config)):
            reason = f"{len(row.input_ids)} tokens, over data.max_context_length {limit}"
            self._dropped.append(Dropped(session_id=name, reason=reason))
        elif row:
            self._keep([row], name, where, show)
        return [{"role": "assistant", "content": words}]

    def _keep(self, rows: list[Row], name: str, where: str, show: int) -> None:
        self._lengths += [len(row.input_ids) for row in rows]
        self._supervised += sum(row.supervised for row in rows)
        room = show - len(self.examples)
        self.examples += [Example(name, where, row) for row in rows][: max(room, 0)]

    def _encode(self, encoder: Encoder, session: Session, where: str, show: int) -> None:
        session = supervised(session, self._config.data.supervise)
        conversation = self._domain.conversation(session, where)
        if not self._with_catalog:
            conversation = self._without_catalog(conversation, session, where)
        method = self._config.train.method if self._split == "train" else "sft"
        rows = encode_session(encoder, conversation, self._config, where, session, method)
        if isinstance(rows, LeftOut):
            self._dropped.append(Dropped(session_id=session.session_id, reason=rows.reason))
            return
        self._keep(rows, session.session_id, where, show)
        if len(rows) > 1 and method == "sft" and self._config.model.chat_template != "hermes":
            self._many_rows = self._many_rows or RowCount(encoder)
            self._many_rows.add(conversation, rows)
        longest = max(map(_longest_answer, rows), default=0) if self._split == "eval" else 0
        if longest > (limit := self._config.eval.max_tokens):
            self._cut.append(f"{session.session_id} (an answer of {longest} tokens, over eval.max_tokens {limit})")

    def _without_catalog(self, whole: Conversation, session: Session, where: str) -> Conversation:
        """The conversation as the model would see it without its tools; calls are still read by their schemas."""
        bare = self._domain.conversation(session.model_copy(update={"tools": NO_TOOLS}), where)
        return bare if bare.calls_in_text else bare.model_copy(update={"unsent_tools": whole.tools})

    def report(self) -> SplitReport:
        turns = self._responses.total()
        calling = self._responses["calls"] + self._responses["text and calls"]
        return SplitReport(
            path=str(self._path),
            sessions=len(self.ids),
            turns=turns,
            responses={name: self._responses[name] for name in RESPONSES},
            calls=dict(sorted(self.calls.items(), key=lambda item: (-item[1], item[0]))),
            no_call_share=(turns - calling) / turns if turns else None,
            restraint=self._restraint,
            tokens=self._tokens() if self._encoder else None,
            dropped=tuple(self._dropped),
            rejected=tuple(self._rejected),
            misfits=self._fit.sentences(),
            unrenderable=tuple(self._unrenderable),
            invented_dates=self._invented_dates,
            cut_answers=tuple(self._cut),
            many_rows=self._many_rows.result() if self._many_rows else None,
        )

    def _tokens(self) -> Tokens:
        marks = np.percentile(self._lengths, _PERCENTILES, method="inverted_cdf") if self._lengths else ()
        return Tokens(
            rows=len(self._lengths),
            total=sum(self._lengths),
            supervised=self._supervised,
            percentiles={percent: int(mark) for percent, mark in zip(_PERCENTILES, marks, strict=False)},
        )
