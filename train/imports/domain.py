"""`callproof train import`: sessions of any source as a domain with two sides.

    train.jsonl, eval.jsonl   sessions in callproof's own form, conversations merged, each on one side
    tools.json                all tools that sessions have, where they have any
    system_prompt.md          the most common system prompt, where there is any
    proposed_no_call.jsonl    questions to be answered in text by a person, where training shows little restraint
    config.yaml               a configuration to begin with

The sources are read twice, and each time twice more where lines may be one conversation; sessions are not held, only
hashes of their words.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from callproof.errors import UserError
from callproof.records import replacing
from callproof.sessions import Account, Found, Session, beginnings, merged_sessions
from callproof.turns import decisions, recorded_answers

from ..before.restraint import Restraint, restraint_of
from ..rows.hub_data import read_records
from .common import Common
from .configuration import CONFIG, starting_configuration
from .proposals import Proposals
from .settings import GPU_GIB, settings_for
from .sides import Sides

NOTHING_HELD_OUT = "eval.jsonl is empty: all sessions are of one conversation, or nearly alike; import more logs"


@dataclass
class Made:
    """What an import has made.

    `turns`: answers to learn or to ask for. `decisions`: those of the eval side that `evaluate` asks by default.
    `refused`: lines that say why a record is none. `restraint`: of the training side; `proposed`: what is said of the
    proposals that were written for want of it.
    """

    account: Account
    common: Common
    sessions: dict[str, int] = field(default_factory=lambda: {"train": 0, "eval": 0})
    turns: dict[str, int] = field(default_factory=lambda: {"train": 0, "eval": 0})
    decisions: int = 0
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)
    restraint: Restraint = field(default_factory=Restraint)
    proposed: str | None = None

    def summary(self) -> dict[str, Any]:
        """Figures for scripts."""
        account = self.account
        return {
            "lines": account.lines,
            "conversations": len(account.conversations),
            "sessions": self.sessions,
            "turns": self.turns,
            "merged": account.merged,
            "duplicates": self.duplicates,
            "without_tools": self.common.without_tools,
            "without_gold": dict(account.without_gold),
            "refused": len(self.refused),
            "restraint": self.restraint.model_dump(),
        }

    def sentences(self, sources: str) -> list[str]:
        """What is to be said, a line each."""
        said = [*self.refused, *self.account.sentences(sources), *self.common.conflicts]
        turns, asked = (
            self.turns,
            f"{self.decisions} of these (replies to the user and calls; eval.turns=all: every one)",
        )
        said.append(
            f"{sum(turns.values())} recorded answers: {turns['train']} to learn, {turns['eval']} held out; "
            f"evaluation asks {asked}"
        )
        if self.duplicates:
            said.append(f"{self.duplicates} sessions left out that say the same as another")
        if self.common.without_tools:
            said.append(f"{self.common.without_tools} sessions were asked without tools; they can show no restraint")
        if self.restraint.doubt:
            said.append(f"little restraint in training: {self.restraint.doubt}")
        if self.proposed:
            said.append(self.proposed)
        if self.common.systems > 1:
            said.append(
                f"{self.common.systems} system prompts: sessions keep theirs, system_prompt.md has the commonest"
            )
        return said


def import_domain(
    sources: list[str],
    out: Path,
    share: float,
    base: str,
    *,
    gpu_gib: float = GPU_GIB,
    force: bool = False,
    session_key: str | None = None,
) -> Made:
    """Write a domain into the folder `out`.

    Args:
        sources: files, folders, globs and datasets that training reads.
        share: of the conversations, for evaluation.
        base: of the model that the configuration names.
        gpu_gib: the memory of the GPU that it is written for; 0: none.
        force: write into a folder that holds something; files of other names stay.

    Raises:
        UserError: `out` holds something, or no session is left.
    """
    if not 0 < share <= 0.5:
        raise UserError("--eval-share", f"expected more than 0 and at most 0.5, got {share}", "0.2 is usual")
    check_empty(out, force)
    made, sides = Made(Account(), Common()), Sides()
    for where, session in _sessions(sources, session_key, made):
        made.common.add(where, session)
        sides.add(session)
    if not made.account.sessions:
        reasons = [*made.refused[:1], *made.account.sentences("")[:1]]
        raise UserError(", ".join(sources), f"no session is left; {'; '.join(reasons)}", "check the file and its form")
    held = sides.held_out(share)
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / "train.jsonl") as train, replacing(out / "eval.jsonl") as evaluation:
        proposals = _write(sources, session_key, made, held, {"train": train, "eval": evaluation})
    texts = {CONFIG: starting_configuration(out, base, settings_for(base, gpu_gib))}
    if made.common.tools:
        texts["tools.json"] = json.dumps(list(made.common.tools.values()), ensure_ascii=False, indent=2) + "\n"
    if made.common.system:
        texts["system_prompt.md"] = made.common.system
    write_texts(out, texts)
    made.proposed = proposals.write(out) if made.restraint.doubt else None
    return made


def check_empty(out: Path, force: bool = False) -> None:
    """Raise a UserError where the folder holds something, unless forced."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not force:
        raise UserError(out, "exists and is not empty", "give another --out, or --force to write over it")


def write_texts(out: Path, texts: dict[str, str]) -> None:
    """Write files, name -> text, into a folder, which is made where it is missing."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with replacing(out / name) as file:
            file.write(text.encode())


def _sessions(sources: list[str], session_key: str | None, made: Made) -> Iterator[tuple[str, Session]]:
    """(place, session) of all sources, those left out that say the same as one before; `made` takes account."""
    seen: dict[int, str] = {}
    ids: set[str] = set()
    refused = made.refused.append
    for where, session in merged_sessions(
        lambda: _records(sources), session_key, made.account, lambda error: refused(str(error))
    ):
        ends = [beginning.hash for beginning in beginnings(session.said())][-1:]
        if not session.conversation and ends and seen.setdefault(ends[0], where) != where:
            made.duplicates += 1
            made.account.sessions -= 1
            continue
        if session.session_id in ids:
            session = session.model_copy(update={"session_id": f"{session.session_id}#{made.account.lines}"})
        ids.add(session.session_id)
        yield where, session


def _records(sources: list[str]) -> Iterator[Found]:
    for source in sources:
        yield from read_records(source)


def _write(
    sources: list[str], session_key: str | None, made: Made, held: set[int], files: dict[str, IO[bytes]]
) -> Proposals:
    """Write both sides; gives what the training side proposes."""
    again, proposals = Made(Account(), Common()), Proposals(made.common.tools)
    for number, (_, session) in enumerate(_sessions(sources, session_key, again)):
        side = "eval" if number in held else "train"
        record = made.common.without_common(session).record()
        files[side].write(f"{json.dumps(record, ensure_ascii=False)}\n".encode())
        made.sessions[side] += 1
        made.turns[side] += recorded_answers(session)
        made.decisions += decisions(session) if side == "eval" else 0
        if side == "train" and session.tools and session.tools.tools:
            made.restraint = made.restraint.add(*restraint_of(session))
            proposals.add(session)
    return proposals
