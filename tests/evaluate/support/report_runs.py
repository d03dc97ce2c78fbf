"""Scored runs made without an endpoint, and models that answer their turns."""

from collections.abc import Callable
from pathlib import Path

from weather import TOOLS, call, right, session

from callproof.catalog import Catalog
from callproof.config import RunConfig
from callproof.config.run_config import DataConfig
from callproof.scoring import Answer, judge
from callproof.sessions import Session
from callproof.turns import Turn, catalog_of, conversation
from callproof.turns.turns import session_turns
from evaluate.report import publish
from evaluate.runs import OutcomeLog, Run, RunInfo, identify, now, outcome_line, write_turns


def make_run(path: Path, sessions: int, answers: dict[str, Callable[[Turn], str]], **told: object) -> Run:
    """A run whose models answer as told; `told` are further fields of run.json."""
    config, catalog = RunConfig(name="weather", data=DataConfig(domain=path)), Catalog.from_wire(TOOLS)
    made = (Session.model_validate(session(number)) for number in range(sessions))
    shown = ((each, conversation(each, "Tell the weather.", catalog, config.prompt)) for each in made)
    turns = [turn for each, whole in shown for turn in session_turns(each, whole, config)]
    info = RunInfo.model_validate({
        "run_id": path.name, "name": "weather", "models": tuple(answers), "identity": identify(turns, {}, "raw"),
        "turns": len(turns), "sessions": sessions, "started": now(), "finished": now(), **told,
    })  # fmt: skip
    run = Run(path)
    with run:
        write_turns(run.turns_path, turns)
        run.write_info(info)
        with OutcomeLog(run.outcomes_path) as log:
            for turn in turns:
                for model, answer in answers.items():
                    log.append(outcome_line(judge(turn, Answer(text=answer(turn)), model, catalog_of(turn))))
        publish(run)
    return run


def gold(turn: Turn) -> str:
    return right({"messages": turn.messages})


def session_of(turn: Turn) -> int:
    return int(turn.session_id.removeprefix("weather-"))


def clumsy(turn: Turn) -> str:
    """Right on every third session; else a wrong city, an extra argument, or a call where none is due."""
    number = session_of(turn)
    if number % 3 == 0:
        return gold(turn)
    if not turn.gold:
        return "<tool_call>{" if number % 3 == 1 else call("get_weather", city="Thanks")
    return call("get_weather", city="Nowhere") if number % 3 == 1 else call("get_weather", city="Nowhere", hour=number)


def shy(turn: Turn) -> str:
    """Right on the first four sessions, and then says no more."""
    return gold(turn) if session_of(turn) < 4 else "Hm."
