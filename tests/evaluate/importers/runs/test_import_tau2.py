"""Trajectories of tau2-bench, built from its data model (src/tau2/data_model), in both of its layouts."""

from typing import Any

import pytest
from runs_plugin import Command, read_lines, write_json

from callproof.errors import UserError

pytest_plugins = ["runs_plugin"]

ORDER = {"type": "object", "properties": {"order_id": {"type": "string"}, "reason": {"type": "string"}}}
TOOLS = [
    {"name": "find_order", "description": "An order.", "parameters": {**ORDER, "required": ["order_id"]}},
    {"name": "cancel_order", "description": "Cancel it.", "parameters": {**ORDER, "required": ["order_id"]}},
]


def action(name: str, **arguments: str) -> dict[str, Any]:
    return {"action_id": f"{name}_0", "requestor": "assistant", "name": name, "arguments": arguments, "info": None,
            "compare_args": None}  # fmt: skip


def task(task_id: str, *actions: dict[str, Any]) -> dict[str, Any]:
    told = {"domain": "retail", "reason_for_call": f"Cancel order {task_id}.", "known_info": None,
            "task_instructions": "Be short."}  # fmt: skip
    criteria = {"actions": list(actions), "reward_basis": ["DB", "COMMUNICATE"]}
    return {"id": task_id, "user_scenario": {"persona": None, "instructions": told}, "evaluation_criteria": criteria}


def simulation(
    task_id: str, trial: int, reward: float, *calls: tuple[str, dict[str, str]], **more: Any
) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": "Hi! How can I help?", "turn_idx": 0},
                                      {"role": "user", "content": "Cancel my order.", "turn_idx": 1}]  # fmt: skip
    for number, (name, arguments) in enumerate(calls):
        call = {"id": f"c{number}", "name": name, "arguments": arguments, "requestor": "assistant"}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "id": f"c{number}", "content": "{}", "requestor": "assistant", "error": False},
        ]
    messages += [
        {"role": "assistant", "content": "Done."},
        {"role": "user", "tool_calls": [{"id": "u", "name": "look", "arguments": {}, "requestor": "user"}]},
    ]
    return {"id": f"{task_id}-{trial}", "task_id": task_id, "trial": trial, "messages": messages,
            "termination_reason": "user_stop", "reward_info": {"reward": reward}, **more}  # fmt: skip


FIND, CANCEL = ("find_order", {"order_id": "1"}), ("cancel_order", {"order_id": "1", "reason": "late"})
TASKS = [task("1", action("cancel_order", order_id="1", reason="late")), task("2")]


def results(*simulations: dict[str, Any], llm: str = "tiny", **environment: Any) -> dict[str, Any]:
    around = {"domain_name": "retail", "policy": "Cancel what is asked.", "tool_defs": None, **environment}
    info = {"git_commit": "0", "num_trials": 2, "agent_info": {"implementation": "llm_agent", "llm": llm},
            "environment_info": around}  # fmt: skip
    return {"timestamp": "2026", "info": info, "tasks": TASKS, "simulations": list(simulations)}


SIMULATIONS = [
    simulation("1", 0, 1.0, CANCEL),
    simulation("1", 1, 1.0, FIND, CANCEL),
    simulation("2", 0, 1.0),
    simulation("2", 1, 0.0, CANCEL),
]


def test_a_task_is_a_turn_and_a_trial_a_repeat(evaluate: Command, score: Command) -> None:
    path = write_json("tau.json", results(*SIMULATIONS))
    said = evaluate("import", "runs", path, "--tools", write_json("tools.json", TOOLS), "--out", "imported")
    assert said.counts | {"out": ""} == {
        "form": "tau2", "turns": 2, "sessions": 2, "without_tools": 0, "answers": {"tiny": 4}, "errors": 0,
        "verdicts": 4, "left_out": 0, "bad_gold": 0, "out": "",
    }  # fmt: skip
    turn = read_lines("imported/turns.jsonl")[0]
    assert (turn["turn_id"], turn["tags"]) == ("retail/1", ["retail"])
    assert turn["messages"][0] == {"role": "system", "content": "Cancel what is asked."}
    assert "reason_for_call: Cancel order 1." in turn["messages"][1]["content"]
    assert [call["name"] for call in turn["gold"]] == ["cancel_order"]
    assert [[call["name"] for call in answer] for answer in turn["alternatives"]] == [["find_order", "cancel_order"]]
    answers = read_lines("imported/answers.jsonl")
    assert [row["repeat"] for row in answers] == [0, 1, 0, 1]
    assert answers[1]["answer"]["text"] == "Hi! How can I help?\nDone."
    figures = score("imported")
    assert figures.counts["models"]["tiny"]["turn_exact"] == 0.75
    assert figures.counts["verdicts"]["tiny"] == {"same": 4, "right_there": 0, "right_here": 0}


def test_right_calls_that_tau2_gave_no_reward_are_told(evaluate: Command, score: Command) -> None:
    silent = simulation("1", 0, 0.0, CANCEL)
    tools = write_json("tools.json", TOOLS)
    evaluate("import", "runs", write_json("tau.json", results(silent)), "--tools", tools, "--out", "imported")
    assert score("imported").counts["verdicts"]["tiny"] == {"same": 0, "right_there": 0, "right_here": 1}


def test_two_agents_are_held_against_each_other(evaluate: Command, score: Command) -> None:
    write_json("sims/a.json", results(*SIMULATIONS[:3]))
    write_json("sims/b.json", results(simulation("1", 0, 0.0, FIND), simulation("2", 0, 1.0), llm="tuned"))
    tools = write_json("tools.json", TOOLS)
    assert evaluate("import", "runs", "sims", "--tools", tools, "--out", "both").counts["answers"] == {
        "tiny": 3,
        "tuned": 2,
    }
    score("both")
    sides = ["runs/both", "runs/both", "--baseline-model", "tiny", "--candidate-model", "tuned"]
    compared = evaluate("diff", *sides).counts
    assert (compared["turns"], compared["broken"], compared["mended"]) == (2, 1, 0)
    assert evaluate("gate", *sides).counts["verdict"] == "invalid"  # a turn was asked once more of one of them
    write_json("sims/a.json", results(SIMULATIONS[0], SIMULATIONS[2]))
    evaluate("import", "runs", "sims", "--tools", tools, "--out", "equal")
    score("equal")
    equal = ["runs/equal", "runs/equal", "--baseline-model", "tiny", "--candidate-model", "tuned"]
    assert evaluate("gate", *equal).counts["verdict"] == "inconclusive"


def test_failed_and_ended_simulations_are_counted(evaluate: Command, score: Command) -> None:
    failed = simulation("2", 0, 0.0, termination_reason="infrastructure_error", reward_info=None)
    ended = simulation("1", 0, 0.0, FIND, termination_reason="max_steps")
    voice = {**simulation("2", 1, 0.0), "messages": None, "ticks": []}
    tools = write_json("tools.json", TOOLS)
    said = evaluate(
        "import", "runs", write_json("tau.json", results(failed, ended, voice)), "--tools", tools, "--out", "imported"
    )
    assert (said.counts["answers"], said.counts["errors"], said.counts["verdicts"]) == ({"tiny": 2}, 1, 1)
    assert "1 records were ended by tau2 (max_steps, timeout, too_many_errors)" in said.told
    assert "1 records are left out: it is no simulation in text (voice)" in said.told
    assert score("imported").counts["models"]["tiny"]["turn_exact"] == 0


def test_its_own_tools_and_its_folder_of_simulations_are_read(evaluate: Command) -> None:
    defined = {
        tool["name"]: {"name": tool["name"], "doc": tool["description"], "params": tool["parameters"]} for tool in TOOLS
    }
    index = [{"id": one["id"], "task_id": one["task_id"], "trial": one["trial"]} for one in SIMULATIONS]
    value = results(tool_defs=defined) | {"simulation_index": index}
    del value["simulations"]
    write_json("run/results.json", value)
    for one in SIMULATIONS:
        write_json(f"run/simulations/{one['id']}.json", one)
    said = evaluate("import", "runs", "run", "--out", "imported")
    assert (said.counts["turns"], said.counts["answers"]) == (2, {"tiny": 4})
    assert "no such form" not in said.told
    write_json("part/results.json", value)
    with pytest.raises(UserError, match=r"part/results.json: holds 0 of 4 simulations; give the whole folder"):
        evaluate("import", "runs", "part", "--out", "imported")


def test_without_tools_calls_cannot_be_judged(evaluate: Command) -> None:
    said = evaluate("import", "runs", write_json("tau.json", results(*SIMULATIONS)), "--out", "imported")
    assert (said.counts["turns"], said.counts["left_out"], said.counts["without_tools"]) == (1, 2, 1)
    assert "2 records are left out: calls are expected, and the record brings no tools: give --tools" in said.told


def test_a_simulation_of_an_unknown_task_is_refused(evaluate: Command) -> None:
    with pytest.raises(UserError, match=r"tau.json:simulations.0: is of task '9', which the file does not hold"):
        evaluate("import", "runs", write_json("tau.json", results(simulation("9", 0, 1.0))), "--out", "imported")
