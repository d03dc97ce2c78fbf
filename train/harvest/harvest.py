"""`callproof train harvest`: wrong answers of runs as sessions, a report of needs, and the next configuration.

    sessions.jsonl   the sessions in which the model failed, in callproof's own form: for sft the failed turns count
                     more (`loss_scale`), for dpo and kto wrong answers stand beside the recorded ones (`rejected`)
    needs.json       the mistakes by tool, argument and slice
    config.yaml      the next training

Sessions that the configuration holds out for evaluation are kept out, by what they say, whatever they are called.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from callproof.config import Method, RunConfig
from callproof.errors import UserError
from callproof.records import replacing, write_json
from callproof.sessions import Session
from callproof.turns import split_sessions

from ..rows.hub_data import read_records
from .configuration import as_yaml, check_splits, next_configuration
from .failures import AnsweredSession, Gathered, gather
from .needs import Needs, needs_of
from .runs import EvaluatedRun

SESSIONS, NEEDS, CONFIG = "sessions.jsonl", "needs.json", "config.yaml"


class Harvest(NamedTuple):
    """What a harvest has made. `again`: sessions that the configuration trains on already."""

    gathered: Gathered
    sessions: list[Session]
    needs: Needs
    again: int
    start: Path | None

    def summary(self) -> dict[str, Any]:
        """Figures for scripts."""
        messages = [message for session in self.sessions for message in session.messages]
        return {
            "sessions": len(self.sessions),
            "failed_turns": sum(each.failed for each in self.gathered.sessions),
            "rejected": sum(len(message.rejected) for message in messages),
            "kept_out": len(self.gathered.kept_out),
            "changed_turns": self.gathered.changed,
        }

    def sentences(self, method: Method) -> list[str]:
        """What is to be said, a line each."""
        said = [*self.needs.lines()]
        if kept_out := self.gathered.kept_out:
            said.append(f"{len(kept_out)} eval sessions are kept out, such as {kept_out[0]!r}")
        if self.gathered.changed:
            said.append(f"{self.gathered.changed} turns are left out: they ask something else than the run did")
        if self.again and method == "sft":
            said.append(f"{self.again} of these sessions are training sessions already; it trains on the harvest alone")
        if not self.start and method != "sft":
            said.append("the adapter that answered is not here: it begins with a fresh one; or set model.lora_path")
        return said


def harvest(runs: list[EvaluatedRun], config: RunConfig, where: Path, method: Method, weight: float) -> Harvest:
    """What runs give for the next training.

    Args:
        config: of the next training, whose eval sessions stay held out.
        where: its file.
        method: of the next training.
        weight: of a failed turn, for sft.

    Raises:
        UserError: see `gather`; nothing that the method learns of is left.
    """
    check_splits(config, where)
    gathered = gather(runs, config, where)
    failed = [each for each in gathered.sessions if each.failed]
    sessions = [session for each in failed if (session := _learned(each, method, weight))]
    if not sessions:
        answers = sum(len(turn.outcomes) for each in gathered.sessions for turn in each.turns.values())
        problem = f"give nothing that {method} learns of: {answers} answers in {len(gathered.sessions)} sessions"
        raise UserError(", ".join(str(run.path) for run in runs), problem, "evaluate on more or harder sessions")
    trained = {session.session_id for _, session in split_sessions(config, "train", read_records)}
    start = runs[-1].config.adapter_dir if runs[-1].model == runs[-1].config.name else None
    return Harvest(
        gathered,
        sessions,
        needs_of(gathered.sessions, config),
        sum(session.session_id in trained for session in sessions),
        start if start and start.is_dir() else None,
    )


def _learned(each: AnsweredSession, method: Method, weight: float) -> Session | None:
    if method == "sft":
        return each.weighted(weight)
    session = each.with_rejected()
    return session if any(message.rejected for message in session.messages) else None


def write_harvest(found: Harvest, runs: list[EvaluatedRun], config: RunConfig, method: Method, out: Path) -> None:
    """Write the three files into a folder."""
    with replacing(out / SESSIONS) as file:
        file.writelines(json.dumps(each.record(), ensure_ascii=False).encode() + b"\n" for each in found.sessions)
    write_json(out / NEEDS, found.needs.model_dump(mode="json"))
    with_training = method == "sft" and not found.again
    values = next_configuration(config, method, out / SESSIONS, found.start, with_training)
    with replacing(out / CONFIG) as file:
        file.write(as_yaml(values, out / CONFIG, ", ".join(str(run.path) for run in runs)).encode())
