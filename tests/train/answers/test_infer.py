"""One answer: the prompt that training knows, the judgement that evaluation makes, and one line where it cannot be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run_verb

from callproof.catalog import read_catalog
from callproof.config import load
from callproof.errors import UserError
from callproof.records import read_text
from callproof.turns.prompt import system_prompt
from train.cli import main

transformers = pytest.importorskip("transformers")

CONFIG = "configs/car_sales.yaml"
PROMPT = "Any SUV below 30'000?"


def answer(*words: object) -> dict[str, Any]:
    done = run_verb("train", "infer", *map(str, words), "--max-tokens", "12")
    return json.loads(done.stdout.splitlines()[-1])


def refusal(*words: object) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train", "infer", *map(str, words)])
        with pytest.raises(UserError) as error:
            main()
    return str(error.value)


@pytest.fixture(autouse=True)
def _in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_an_answer_is_printed_as_json_and_streamed_to_stderr() -> None:
    done = run_verb(
        "train", "infer", "--config", CONFIG, "--model_path", "models/tiny", "--prompt", PROMPT, "--max-tokens", "12"
    )
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert set(said) == {"text", "finish_reason", "calls", "malformed", "problems"}
    assert said["text"]
    assert said["text"].split()[0] in done.stderr


def test_a_prompt_from_standard_input_gets_the_same_answer() -> None:
    given = answer("--model", "models/tiny", "--prompt", PROMPT)
    command = [sys.executable, "-m", "train", "infer", "--model", "models/tiny", "--max-tokens", "12"]
    done = subprocess.run(command, cwd=ROOT, input=PROMPT, capture_output=True, text=True, check=True, timeout=500)
    assert json.loads(done.stdout) == given


def test_what_the_token_limit_cuts_is_said_to_be_cut() -> None:
    said = answer("--model", "models/tiny", "--prompt", PROMPT, "--max-tokens", "1")
    assert said["finish_reason"] == "length"


def test_the_conversation_is_that_of_the_domain() -> None:
    from train.answers.infer import SESSION_ID, make_conversation

    config = load(CONFIG)
    talk, catalog = make_conversation(PROMPT, config, None, None)
    system, user = talk.messages
    assert system["content"] == system_prompt(read_text(config.data.prompt_path), SESSION_ID, config.prompt)
    assert user == {"role": "user", "content": PROMPT}
    assert catalog == read_catalog(config.data.tools_path)
    assert {tool["function"]["name"] for tool in talk.tools or ()} == set(catalog.by_name)


def test_system_and_tools_of_the_command_line_take_the_place_of_the_domains() -> None:
    from train.answers.infer import make_conversation

    talk, catalog = make_conversation(PROMPT, load(CONFIG), "You sell tea.", Path("datasets/insurance/tools.json"))
    assert talk.messages[0]["content"].startswith("You sell tea.")
    assert catalog == read_catalog(Path("datasets/insurance/tools.json"))


def test_without_configuration_there_is_neither_system_prompt_nor_catalog() -> None:
    from train.answers.infer import make_conversation

    talk, catalog = make_conversation(PROMPT, None, None, None)
    assert [message["role"] for message in talk.messages] == ["user"]
    assert talk.tools is None
    assert not catalog.tools


def test_calls_are_held_against_the_catalog() -> None:
    from train.answers.infer import judged

    catalog = read_catalog(Path("datasets/car_sales/tools.json"))
    name = next(tool.name for tool in catalog.tools if (tool.parameters or {}).get("required"))
    blocks = [f'{{"name": "{name}", "arguments": {{}}}}', '{"name": "fly", "arguments": {}}', '{"name": ']
    said = judged("".join(f"<tool_call>{block}</tool_call>" for block in blocks), "stop", "hermes", catalog)
    assert [call["name"] for call in said["calls"]] == [name, "fly"]
    assert [call["reason"] for call in said["malformed"]] == ["invalid_json"]
    assert any(problem.startswith(f"{name}: ") for problem in said["problems"])
    assert "fly: unknown tool 'fly'" in said["problems"]


def test_an_answer_is_read_in_the_format_of_its_template() -> None:
    from train.answers.infer import judged

    catalog = read_catalog(Path("datasets/car_sales/tools.json"))
    said = judged('<|tool_call>call:fly{to:<|"|>Bern<|"|>,n:3}<tool_call|>', "stop", "gemma4", catalog)
    assert said["calls"] == [{"name": "fly", "arguments": {"to": "Bern", "n": 3}}]
    assert said["malformed"] == []


@pytest.mark.parametrize("prompt", ["", " \n", "half \ud800"])
def test_no_prompt_is_refused(prompt: str) -> None:
    from train.answers.infer import make_conversation

    with pytest.raises(UserError, match="--prompt"):
        make_conversation(prompt, None, None, None)


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    assert "there is no adapter" in refusal("--config", CONFIG, "--adapter", tmp_path / "absent", "--prompt", PROMPT)


def test_an_adapter_of_another_base_is_named(tmp_path: Path) -> None:
    settings = {"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen3-4B"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    error = refusal("--config", CONFIG, "--adapter", tmp_path, "--prompt", PROMPT)
    assert "trained on base 'Qwen/Qwen3-4B', but the configuration says model.base_model 'models/tiny'" in error


def test_bad_tools_are_named(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text('[{"type": "function"}]')
    error = refusal("--model", "models/tiny", "--tools", tmp_path / "tools.json", "--prompt", PROMPT)
    assert "tool 0 has no `function`" in error


def test_a_prompt_that_does_not_fit_is_refused() -> None:
    error = refusal("--model", "models/tiny", "--prompt", "word " * 5000)
    assert "are over the model's 4096" in error


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--model", "models/absent"], "holds no model"),
        (["--model", "models/tiny", "--adapter", "a"], "not allowed with"),
        (["--model", "models/tiny", "--max-tokens", "0"], "from 1"),
        (["--model", "models/tiny", "--temperature", "-1"], "from 0"),
        ([], "give --adapter or --config"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], problem: str) -> None:
    assert problem in refusal(*words, "--prompt", PROMPT)
