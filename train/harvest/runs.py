"""Runs of `callproof evaluate` as harvest reads them: the turns, one model's answers, and the configuration."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import explain, read_jsonl, read_object
from callproof.scoring import Outcome
from callproof.turns import Turn, digest, read_turns

_AGAIN = "make the run anew: callproof evaluate --config YAML"


class EvaluatedRun(NamedTuple):
    """A run, and the model of it that is harvested. `channel`: the one that its headline figures come from."""

    path: Path
    model: str
    channel: str
    config: RunConfig

    def digests(self) -> dict[str, str]:
        """What each turn asked and expected, by its id."""
        return {turn.turn_id: turn_digest(turn) for turn in read_turns(self.path / "turns.jsonl")}

    def answers(self) -> dict[str, list[Outcome]]:
        """The judged answers to each turn that got one."""
        answers: defaultdict[str, list[Outcome]] = defaultdict(list)
        for outcome in self._outcomes():
            wanted = outcome.model == self.model and outcome.channel == self.channel
            if wanted and outcome.outcome != "infra_error":
                answers[outcome.turn_id].append(outcome)
        return dict(answers)

    def _outcomes(self) -> Iterator[Outcome]:
        path = self.path / "outcomes.jsonl"
        for number, value in read_jsonl(path):
            try:
                yield Outcome.model_validate(value)
            except ValidationError as error:
                raise UserError(f"{path}:{number}", explain(error), _AGAIN) from None


def turn_digest(turn: Turn) -> str:
    """Of what a turn asks and expects."""
    return digest(turn.model_dump(mode="json"))


def open_run(name: str, runs: Path, model: str | None) -> EvaluatedRun:
    """The run with this folder or id.

    Raises:
        UserError: there is none, it has no such model, or it says no configuration.
    """
    places = (Path(name), runs / name)
    path = next((place for place in places if (place / "run.json").is_file()), None)
    if path is None:
        raise UserError(name, "is no run", f"tried {', '.join(str(place / 'run.json') for place in places)}")
    info = read_object(path / "run.json", _AGAIN)
    if info.get("config") is None:
        raise UserError(path, "says no configuration, so its sessions cannot be found", _AGAIN)
    try:
        config = RunConfig.model_validate(info["config"])
        channel = info["identity"]["channel"]
        chosen = _chosen(info["models"], info["name"], model, path)
    except ValidationError as error:
        raise UserError(path / "run.json", explain(error), _AGAIN) from None
    except (LookupError, TypeError) as error:
        raise UserError(path / "run.json", f"is no run ({type(error).__name__}: {error})", _AGAIN) from None
    return EvaluatedRun(path, chosen, "raw" if channel == "both" else channel, config)


def _chosen(models: list[str], name: str, wanted: str | None, path: Path) -> str:
    """The model of this name; without one the only model, or the one named like the configuration."""
    if wanted in models:
        return str(wanted)
    known = ", ".join(models)
    if wanted is not None:
        raise UserError(f"--model {wanted}", f"is not in {path}", f"choose one of: {known}")
    if len(models) > 1 and name not in models:
        raise UserError(path, f"has several models ({known})", "choose one with --model")
    return models[0] if len(models) == 1 else name
