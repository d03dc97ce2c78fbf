"""Records in the layouts of SWE-bench, SWE-smith and SWE-Synth (rebuilt, with content of our own) become sessions.

The layouts: princeton-nlp/SWE-bench and SWE-bench_oracle, SWE-bench/SWE-smith and SWE-smith-trajectories,
swesynth/SWE-Synth and SWE-Synth_Moatless-SFT-Trajectories on the Hugging Face hub.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, run_verb

from callproof.sessions import Session, read_sessions

GOOD = "def total(prices):\n    return sum(prices)\n\n\ndef mean(prices):\n    return total(prices) / len(prices)\n"
BUGGY = GOOD.replace("len(prices)", "(len(prices) + 1)")
PATHS = "diff --git a/shop/sums.py b/shop/sums.py\n--- a/shop/sums.py\n+++ b/shop/sums.py\n"
HUNK = "@@ -3,4 +3,4 @@\n \n \n def mean(prices):\n"
SHORT, LONG = "    return total(prices) / len(prices)\n", "    return total(prices) / (len(prices) + 1)\n"
FIX = f"{PATHS}{HUNK}-{LONG}+{SHORT}"
BREAK = f"{PATHS}{HUNK}-{SHORT}+{LONG}"
ISSUE = "mean([2, 4]) gives 2, not 3."


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=t", "-c", "user.email=t@t"]
    return subprocess.run(["git", "-C", str(folder), *name, *words], capture_output=True, check=True).stdout.decode()


@pytest.fixture
def repos(tmp_path: Path) -> dict[str, str]:
    """Checkouts in `repos`, each with a later commit on top; gives the commit with the bug, and one without it."""
    commits = {}
    for name, text in (("acme__shop", BUGGY), ("acme__till", GOOD)):
        folder = tmp_path / "repos" / name
        (folder / "shop").mkdir(parents=True)
        git(folder, "init", "-q")
        for number, content in enumerate((text, "print('rewritten since')\n")):
            (folder / "shop" / "sums.py").write_text(content)
            git(folder, "add", "-A")
            git(folder, "commit", "-qm", str(number))
        commits[name] = git(folder, "rev-parse", "HEAD~1").strip()
    smith = tmp_path / "repos" / "acme__shop.1a2b3c4d" / "shop"
    smith.mkdir(parents=True)
    (smith / "sums.py").write_text(GOOD)
    return commits


def bench(**changes: Any) -> dict[str, Any]:
    """A row of SWE-bench."""
    return {
        "repo": "acme/shop",
        "instance_id": "acme__shop-12",
        "base_commit": "0" * 40,
        "patch": FIX,
        "test_patch": "diff --git a/t.py b/t.py\n--- a/t.py\n+++ b/t.py\n@@ -0,0 +1 @@\n+assert mean([2, 4]) == 3\n",
        "problem_statement": ISSUE,
        "hints_text": "",
        "created_at": "2024-05-01T10:00:00Z",
        "version": "1.2",
        "FAIL_TO_PASS": '["t.py"]',
        "PASS_TO_PASS": "[]",
        "environment_setup_commit": "1" * 40,
        **changes,
    }


def smith(**changes: Any) -> dict[str, Any]:
    """A row of SWE-smith: `patch` makes the bug."""
    return {
        "instance_id": "acme__shop.1a2b3c4d.lm_rewrite__k2",
        "patch": BREAK,
        "FAIL_TO_PASS": ["t.py"],
        "PASS_TO_PASS": [],
        "image_name": "jdoe/swesmith.x86_64.acme_1776_shop.1a2b3c4d",
        "repo": "swesmith/acme__shop.1a2b3c4d",
        "problem_statement": ISSUE,
        **changes,
    }


def synth(commit: str, **changes: Any) -> dict[str, Any]:
    """A row of SWE-Synth: `test_patch` makes the bug, `patch` mends it, the issue is a log of tests."""
    return bench(
        **{
            "instance_id": f"acme_till-{commit}-9f8e7d",
            "repo": "acme/till",
            "base_commit": commit,
            "test_patch": BREAK,
            "problem_statement": "FAILED t.py::test_mean - assert 2.0 == 3",
            **changes,
        }
    )


def convert(tmp_path: Path, records: list[dict[str, Any]], *words: str | Path, code: int = 0, out: str = "out.json"):
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    form, *options = words
    return run_verb("train", "convert", form, source, "--out", tmp_path / out, *options, code=code)


def sessions(tmp_path: Path, out: str = "out.json") -> list[Session]:
    return [session for _, session in read_sessions(tmp_path / out)]


def test_swe_synth_becomes_instruction_and_response(tmp_path: Path) -> None:
    commit = "ab" * 20
    done = convert(tmp_path, [synth(commit)], "swe-synth")
    (example,) = json.loads((tmp_path / "out.json").read_text())
    assert example == {
        "instance_id": f"acme_till-{commit}-9f8e7d",
        "instruction": "Mend the bug that is described here. Answer with a unified diff.\n\n"
        "FAILED t.py::test_mean - assert 2.0 == 3",
        "response": FIX,
    }
    assert json.loads(done.stdout.splitlines()[-1]) == {"out": str(tmp_path / "out.json"), "sessions": 1}
    (session,) = sessions(tmp_path)
    assert [message.content for message in session.messages] == [example["instruction"], FIX]


def test_a_task_of_swe_bench_becomes_two_questions(tmp_path: Path) -> None:
    convert(tmp_path, [bench(), bench(instance_id="acme__shop-13", task_id=7)], "swe")
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert list(first) == ["instance_id", "task_id", "messages"]
    assert (first["instance_id"], first["task_id"], second["task_id"]) == ("acme__shop-12", "acme__shop-12", 7)
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"] * 2
    assert first["messages"][0]["content"].startswith(f"{ISSUE}\n\n")
    assert (first["messages"][1]["content"], first["messages"][3]["content"]) == ("shop/sums.py", FIX)
    assert [session.session_id for session in sessions(tmp_path)] == ["acme__shop-12", "acme__shop-13"]


def test_the_answer_to_a_task_of_swe_smith_is_the_reverse_of_its_patch(tmp_path: Path) -> None:
    convert(tmp_path, [smith()], "swe")
    assert sessions(tmp_path)[0].messages[-1].content == FIX
    convert(tmp_path, [smith()], "swe-synth")
    assert sessions(tmp_path)[0].messages[-1].content == FIX


def test_a_patch_that_may_mend_or_break_is_refused(tmp_path: Path) -> None:
    record = {key: bench()[key] for key in ("instance_id", "problem_statement", "patch")}
    error = convert(tmp_path, [bench(), record], "swe", code=2).stderr
    assert f"{tmp_path / 'in.jsonl'}:2: cannot tell whether patch mends the bug" in error
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("layout", ["bench", "smith", "synth"])
def test_whole_files_are_shown_as_they_are_before_the_fix(tmp_path: Path, repos: dict[str, str], layout: str) -> None:
    record = {
        "bench": bench(base_commit=repos["acme__shop"]),
        "smith": smith(),
        "synth": synth(repos["acme__till"]),
    }[layout]
    options = ("--mode", "code-context", "--source", "file", "--repos", tmp_path / "repos")
    done = convert(tmp_path, [record], "swe", *options)
    assert "left out" not in done.stderr
    shown = sessions(tmp_path)[0].messages[2].content
    assert f"shop/sums.py:\n```\n{BUGGY}```" in shown


def test_lines_around_the_fix_come_from_the_diff_alone(tmp_path: Path) -> None:
    convert(tmp_path, [smith()], "swe", "--mode", "code-context", "--source", "patch")
    shown = sessions(tmp_path)[0].messages[2].content
    lines = "\n\ndef mean(prices):\n    return total(prices) / (len(prices) + 1)\n"
    assert f"shop/sums.py, from line 3:\n```\n{lines}```" in shown


def oracle(numbered: bool, code: str = BUGGY, path: str = "shop/sums.py") -> dict[str, Any]:
    """A row of SWE-bench_oracle: the prompt shows the files, the patch stands in tags."""
    lines = [f"{number} {line}" if numbered else line for number, line in enumerate(code.split("\n"), start=1)]
    shown = "\n".join([f"[start of {path}]", *lines, f"[end of {path}]"])
    code = f"<code>\n[start of README]\n1 x\n[end of README]\n{shown}\n</code>\n"
    text = f"You get code and an issue.\n<issue>\n{ISSUE}\n</issue>\n{code}"
    return bench(text=text, patch=f"<patch>\n{FIX.rstrip()}\n</patch>")


@pytest.mark.parametrize("numbered", [True, False])
def test_the_files_of_an_oracle_set_come_from_its_prompt(tmp_path: Path, numbered: bool) -> None:
    convert(tmp_path, [oracle(numbered)], "swe", "--mode", "code-context")
    messages = sessions(tmp_path)[0].messages
    assert f"shop/sums.py:\n```\n{BUGGY}```" in messages[2].content
    assert "README" not in messages[2].content
    assert messages[3].content == FIX


def test_code_that_a_patch_was_not_made_from_is_never_shown(tmp_path: Path, repos: dict[str, str]) -> None:
    records = [
        bench(base_commit=repos["acme__shop"]),
        bench(instance_id="late", base_commit=git(tmp_path / "repos" / "acme__shop", "rev-parse", "HEAD").strip()),
        bench(instance_id="unknown", base_commit="f" * 40),
        bench(instance_id="elsewhere", repo="acme/other"),
        bench(instance_id="outside", base_commit=repos["acme__shop"], patch=FIX.replace("shop/sums.py", "../x.py")),
    ]
    done = convert(tmp_path, records, "swe", "--mode", "code-context", "--repos", tmp_path / "repos")
    assert [session.session_id for session in sessions(tmp_path)] == ["acme__shop-12"]
    for line, reason in (
        (2, "the code is not what its patch was made from"),
        (3, "the checkout of acme/shop lacks its base_commit"),
        (4, f"no checkout of acme/other in {tmp_path / 'repos'}"),
        (5, "the checkout lacks a file that the fix changes"),
    ):
        assert f"1 record left out, first {tmp_path / 'in.jsonl'}:{line}: {reason}" in done.stderr


def test_another_text_in_the_prompt_is_left_out(tmp_path: Path) -> None:
    records = [oracle(True), oracle(True, GOOD), oracle(True, path="shop/other.py")]
    done = convert(tmp_path, records, "swe", "--mode", "code-context")
    assert len(sessions(tmp_path)) == 1
    assert "in.jsonl:2: the code is not what its patch was made from" in done.stderr
    assert "in.jsonl:3: its text lacks a file that the fix changes" in done.stderr


def test_what_cannot_be_learnt_is_counted_and_said(tmp_path: Path) -> None:
    binary = "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n"
    records = [bench(patch=""), bench(problem_statement=" "), bench(patch=None), bench(), bench(patch=binary)]
    done = convert(tmp_path, records, "swe")
    assert len(sessions(tmp_path)) == 1
    assert f"2 records left out, first {tmp_path / 'in.jsonl'}:1: patch is empty" in done.stderr
    assert f"1 record left out, first {tmp_path / 'in.jsonl'}:2: problem_statement is empty" in done.stderr
    assert f"1 record left out, first {tmp_path / 'in.jsonl'}:5: its patch holds binary content" in done.stderr


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"instruction": "x", "response": "y"}, "no task of SWE-bench, SWE-smith or SWE-Synth: instance_id,"),
        (bench(patch="Change len."), "patch: no unified diff of text (line 1: expected a unified diff"),
        (bench(patch=FIX.replace("+3,4", "+3,9")), "patch: no unified diff of text (line 10: expected 5 more lines"),
        (bench(patch=3), "patch: expected text, got int"),
        (bench(instance_id=""), "instance_id: expected text that is not empty"),
        (bench(problem_statement="\ud800"), "half a surrogate pair"),
        ({"instance_id": "t", "messages": "[{]"}, "messages: malformed JSON"),
        ({"instance_id": "t", "messages": [{"role": "judge", "content": "x"}, {"role": "assistant"}]}, "role"),
        ({"instance_id": "t", "messages": ["hello"]}, "expected messages with a role"),
    ],
)
def test_a_record_that_is_not_understood_is_an_error_with_its_line(
    tmp_path: Path, record: dict[str, Any], problem: str
) -> None:
    error = convert(tmp_path, [bench(), record], "swe", code=2).stderr
    assert error.startswith(f"error: {tmp_path / 'in.jsonl'}:2")
    assert problem in error
    assert error.count("\n") == 1


def test_a_source_without_an_example_is_an_error(tmp_path: Path) -> None:
    error = convert(tmp_path, [bench(patch="")], "swe", code=2).stderr
    assert "no example in 1 records" in error
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("swe-synth", "--mode", "simple"), "--mode: is for the form swe"),
        (("swe", "--source", "file"), "--source: is for swe --mode code-context"),
        (("swe", "--mode", "simple", "--repos", "."), "--repos: is for swe --mode code-context --source file"),
        (("swe", "--mode", "code-context", "--source", "patch", "--repos", "."), "--repos: is for"),
        (("swe", "--mode", "code-context", "--repos", "nowhere"), "nowhere: is no folder"),
        (("swe", "--as-is"), "--as-is: is for sessions"),
        (("swe", "--mode", "code-context"), "in.jsonl:1: holds no files; give --repos"),
        (("swe-bench",), "argument kind: invalid choice: 'swe-bench'"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    assert problem in convert(tmp_path, [bench()], *words, code=2).stderr


TALK = [
    {"role": "system", "content": "You work in a shell.", "agent": "main", "message_type": "system_prompt"},
    {"role": "user", "content": [{"type": "text", "text": ISSUE}]},
    {"role": "assistant", "content": "Look first.", "thought": "Look first.", "action": "cat shop/sums.py",
     "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "cat"}'}}]},
    {"role": "tool", "content": "def mean", "tool_call_ids": ["c1"], "agent": "main"},
    {"role": "assistant", "content": "Mended."},
    {"role": "user", "content": "diff ..."},
]  # fmt: skip


def test_a_trajectory_of_swe_smith_keeps_its_turns_and_its_task(tmp_path: Path) -> None:
    row = {"instance_id": "acme__shop.1a2b3c4d.k2", "resolved": True, "model": "m", "patch": FIX}
    texts = [json.dumps(TALK), json.dumps([*TALK[:4], {"role": "assistant", "content": "Done."}]), json.dumps(TALK)]
    records = [{**row, "messages": text, "traj_id": f"t{number}"} for number, text in enumerate(texts)]
    records[2]["resolved"] = False
    done = convert(tmp_path, records, "swe", out="out.jsonl")
    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert first["messages"][3] == {"role": "tool", "content": "def mean", "tool_call_id": "c1"}
    assert second["instance_id"] == "acme__shop.1a2b3c4d.k2#2"
    assert second["task_id"] == second["conversation"] == first["task_id"] == first["instance_id"]
    assert "in.jsonl:3: resolved is false" in done.stderr
    assert "keys of messages left out: action, agent, message_type, thought" in done.stderr
    one, two = sessions(tmp_path, "out.jsonl")
    assert (one.messages[1].tool_calls[0].name, one.system, one.group) == ("bash", "You work in a shell.", two.group)


def test_a_moatless_trajectory_is_a_session_for_each_of_its_rounds(tmp_path: Path) -> None:
    rounds = [
        [{"role": "system", "content": "Plan."}, {"role": "user", "content": ISSUE},
         {"role": "assistant", "content": f'{{"action": "{action}"}}'}]
        for action in ("search", "edit")
    ]  # fmt: skip
    record = {"instance_id": "acme_till-ab-9f", "messages": rounds, "model_patch": FIX, "run_name": "r1"}
    convert(tmp_path, [record], "swe")
    examples = json.loads((tmp_path / "out.json").read_text())
    assert [example["instance_id"] for example in examples] == ["acme_till-ab-9f", "acme_till-ab-9f#2"]
    assert len(sessions(tmp_path)) == 2
    error = convert(tmp_path, [record], "swe-synth", code=2).stderr
    assert "in.jsonl:1: is a trajectory, which is no instruction; use the form swe" in error


def test_a_text_that_would_be_read_as_a_call_is_refused(tmp_path: Path) -> None:
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    talk = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": f"Write {call}"}]
    error = convert(tmp_path, [{"instance_id": "t", "messages": talk}], "swe", code=2).stderr
    assert "in.jsonl:1: the assistant's text holds <tool_call>, and would be read as a call" in error


def test_a_saved_dataset_is_read_like_a_file(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_list([smith(), smith(instance_id="other")]).save_to_disk(str(tmp_path / "saved"))
    run_verb("train", "convert", "swe", tmp_path / "saved", "--out", tmp_path / "out.json")
    assert [session.messages[-1].content for session in sessions(tmp_path)] == [FIX, FIX]


def test_what_comes_out_trains(tmp_path: Path) -> None:
    """Two steps of both forms, without an edit between `convert` and training."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(bench(instance_id=f"i{n}")) + "\n" for n in range(4)))
    for form, file in (("swe", "messages.json"), ("swe-synth", "pairs.json")):
        run_verb("train", "convert", form, tmp_path / "in.jsonl", "--out", tmp_path / "data" / file)
    values = {
        "name": "swe",
        "model": {"base_model": str(ROOT / "models" / "tiny")},
        "data": {
            "domain": str(tmp_path / "data"),
            "train": str(tmp_path / "data" / "*.json"),
            "eval": str(tmp_path / "data" / "pairs.json"),
            "system_prompt": "none",
            "tools": "none",
        },
        "prompt": {"date_line": False},
        "train": {"max_steps": 2, "output_dir": str(tmp_path / "out")},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    done = run_verb("train", "--config", tmp_path / "run.yaml")
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 2
