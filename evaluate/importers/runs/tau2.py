"""Trajectories of tau2-bench (tau3 too): one JSON, or `results.json` with a folder `simulations/` beside it.

A task is one turn: the question is the policy and what the simulated user was told, the answer is all that the agent
called and said, a trial is a repeat. Right are the task's reference actions of the agent, and, since tau2 takes any way
to the same end, the calls of every simulation of these files that it gave the reward 1. That is also the verdict.

tau2 writes no tools unless it is told to: `--tools`.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from callproof.errors import UserError
from callproof.records import read_object
from callproof.scoring import Answer
from callproof.sessions import recorded_call
from callproof.turns import GoldCall

from ..turns_file import Skipped
from .gold import any_arguments
from .record import Found, Left, Options, Sample, Wire, joined, or_skipped, question, wire_call, wire_tools

_FAILED = ("infrastructure_error", "context_window_exceeded", "unexpected_error", "agent_error", "user_error")
_CUT = ("max_steps", "timeout", "too_many_errors")
_SUCCESSES = "have further right answers: the calls of simulations that tau2 gave the reward 1"
_WAS_CUT = "were ended by tau2 (max_steps, timeout, too_many_errors); what was done until then counts, as cut"
_Rights = tuple[tuple[GoldCall, ...], ...]


def is_tau2(value: Any) -> bool:
    """Whether JSON is the results of tau2-bench."""
    return (
        isinstance(value, dict)
        and {"info", "tasks"} <= value.keys()
        and bool({"simulations", "simulation_index"} & value.keys())
    )


def read_tau2(files: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The simulations of all files; raises a UserError where a file has none, or a task is missing."""
    successes: dict[str, list[tuple[GoldCall, ...]]] = {}
    for found in files:
        for _, simulation in _simulations(found):
            if _reward(simulation) == 1 and isinstance(simulation.get("messages"), list):
                calls = tuple(GoldCall.of(recorded_call("call", call)) for call in _calls(simulation))
                successes.setdefault(str(simulation.get("task_id")), []).append(calls)
    for found in files:
        tasks = {str(task.get("id")): task for task in found.value["tasks"]}
        for where, simulation in _simulations(found):
            name = str(simulation.get("task_id"))
            if name not in tasks:
                raise UserError(where, f"is of task {name!r}, which the file does not hold", "give the whole file")
            alike = successes.get(name, [])
            info, task = found.value["info"], tasks[name]
            yield or_skipped(
                where, lambda w=where, i=info, t=task, s=simulation, a=alike: _sample(w, i, t, s, a, options)
            )


def _simulations(found: Found) -> Iterator[tuple[str, Wire]]:
    folder = found.path.with_name("simulations")
    held = found.value.get("simulations") or ()
    for number, simulation in enumerate(held):
        yield f"{found.path}:simulations.{number}", simulation
    files = [] if held or not folder.is_dir() else sorted(folder.glob("*.json"))
    for path in files:
        yield str(path), read_object(path, "give the folder as tau2 wrote it")
    listed = found.value.get("simulation_index") or ()
    if not held and len(files) < max(1, len(listed)):
        raise UserError(found.path, f"holds {len(files)} of {len(listed)} simulations", "give the whole folder")


def _sample(
    where: str, info: Wire, task: Wire, simulation: Wire, alike: Iterable[tuple[GoldCall, ...]], options: Options
) -> Sample:
    if not isinstance(simulation.get("messages"), list):
        raise Left("it is no simulation in text (voice)")
    environment = info.get("environment_info") or {}
    tools = wire_tools(_tools(environment.get("tool_defs")) or options.tools, where)
    rights = _rights(task, tools, alike)
    domain = str(environment.get("domain_name") or "tau2")
    notes = [_SUCCESSES] if len(rights) > 1 else []
    return Sample(
        where=where,
        asked=question(f"{domain}/{task.get('id')}", _messages(environment, task, simulation), tools, tag=domain),
        rights=rights or None,
        model=str((info.get("agent_info") or {}).get("llm") or "agent"),
        answer=_answer(simulation),
        repeat=int(simulation.get("trial") or 0),
        verdict=None if _reward(simulation) is None else _reward(simulation) == 1,
        notes=(*notes, *([_WAS_CUT] if simulation.get("termination_reason") in _CUT else [])),
    )


def _tools(defined: Any) -> Any:
    """Tools in OpenAI's form, of tau2's own `{name: {doc, params}}`."""
    if not isinstance(defined, dict):
        return defined
    return [
        {"name": name, "description": one.get("doc"), "parameters": one.get("params")} for name, one in defined.items()
    ]


def _messages(environment: Wire, task: Wire, simulation: Wire) -> list[Wire]:
    """The policy, and the task as the simulated user is told it."""
    policy = simulation.get("policy") or environment.get("policy")
    scenario = task.get("user_scenario") or {}
    told = scenario.get("instructions") if isinstance(scenario, dict) else scenario
    if isinstance(told, dict):
        told = "\n".join(f"{key}: {value}" for key, value in told.items() if value)
    said = "\n".join(str(part) for part in (told, task.get("ticket")) if part)
    if not said:
        raise Left("its task says nothing to the user")
    return [*([{"role": "system", "content": str(policy)}] if policy else []), {"role": "user", "content": said}]


def _rights(task: Wire, tools: list[Wire] | None, alike: Iterable[tuple[GoldCall, ...]]) -> _Rights:
    """The reference actions first, then other ways that led to the reward 1."""
    actions = (task.get("evaluation_criteria") or {}).get("actions")
    reference = [] if actions is None else [tuple(_action(one, tools) for one in actions if _is_agents(one))]
    kept: dict[str, tuple[GoldCall, ...]] = {}
    for calls in (*reference, *alike):
        kept.setdefault(json.dumps(sorted(_plain(call) for call in calls)), calls)
    return tuple(kept.values())


def _plain(call: GoldCall) -> str:
    return json.dumps([call.name, call.arguments], sort_keys=True)


def _is_agents(call: Wire) -> bool:
    return call.get("requestor", "assistant") == "assistant"


def _action(action: Wire, tools: list[Wire] | None) -> GoldCall:
    arguments, compared = action.get("arguments") or {}, action.get("compare_args")
    if compared is None:
        return GoldCall(name=action["name"], arguments=arguments)
    return any_arguments(action["name"], tools, {key: arguments[key] for key in compared if key in arguments})


def _calls(simulation: Wire) -> list[Wire]:
    """The agent's calls, in order."""
    said = [message for message in simulation["messages"] if message.get("role") == "assistant"]
    calls = [call for message in said for call in message.get("tool_calls") or () if _is_agents(call)]
    return [wire_call(call.get("name"), call.get("arguments")) for call in calls]


def _answer(simulation: Wire) -> Answer:
    reason = simulation.get("termination_reason")
    if reason in _FAILED:
        return Answer(error=f"the simulation failed: {reason}")
    said = [message for message in simulation["messages"] if message.get("role") == "assistant"]
    whole = joined(Answer(text=str(message.get("content") or "")) for message in said)
    calls = tuple(_calls(simulation)) or None
    return whole.model_copy(update={"tool_calls": calls, "finish_reason": "length" if reason in _CUT else "stop"})


def _reward(simulation: Wire) -> float | None:
    return (simulation.get("reward_info") or {}).get("reward")
