"""`callproof init`: a domain and a configuration to begin with, from flags or from answers on a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from callproof.__main__ import main
from callproof.config import load
from callproof.errors import UserError
from callproof.sessions import read_sessions
from train.imports.settings import parameters_of, settings_for

TINY = ROOT / "models" / "tiny"
QWEN = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 128, "num_key_value_heads": 8,
        "vocab_size": 151936, "max_position_embeddings": 40960}  # fmt: skip
SHAPES = {  # published configurations of Qwen3: hidden, intermediate, layers, heads, tied
    "0.6B": (1024, 3072, 28, 16, True),
    "4B": (2560, 9728, 36, 32, True),
    "8B": (4096, 12288, 36, 32, False),
    "32B": (5120, 25600, 64, 64, False),
}


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def log_of(path: Path, conversations: int) -> Path:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    words = ("lake and a desk", "dogs in the garden", "a cheap night", "trains nearby", "no carpets at all")
    rows = [
        {
            "request": {"messages": [{"role": "user", "content": f"{word} {number}"}], "tools": [tool]},
            "response": {"role": "assistant", "content": None, "tool_calls": [call]},
        }
        for number, word in enumerate(words[:conversations])
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_logs_become_a_domain_with_settings_for_the_base_and_no_gpu(tmp_path, capsys) -> None:
    log = log_of(tmp_path / "log.jsonl", 5)
    words = ["init", "--log", str(log), "--base", str(TINY), "--gpu-memory", "0", "--out", str(tmp_path / "inn")]
    assert main(words) == 0
    made = last_line(capsys)
    assert made["sessions"] == {"train": 4, "eval": 1}
    config = load(str(made["config"]))
    assert (config.name, config.train.learning_rate, config.model.dtype) == ("inn", 6e-3, "auto")
    assert config.model.quantization == "none"
    assert main(["train", "check", "--config", str(made["config"]), "--stats"]) == 0


def test_an_empty_domain_says_what_is_to_be_filled_in_and_trains_on_no_example(tmp_path, capsys) -> None:
    out = tmp_path / "inn"
    assert main(["init", "--log", "--base", str(TINY), "--gpu-memory", "0", "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"{out / 'train.jsonl'}, {out / 'eval.jsonl'}: write sessions, a line each, in the form of example" in said
    assert sorted(path.name for path in out.iterdir()) == [
        "config.yaml", "example.jsonl", "system_prompt.md", "tools.json",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"train\.jsonl: cannot be read"):
        main(["train", "check", "--config", str(out / "config.yaml"), "--stats"])
    ((_, example),) = read_sessions(out / "example.jsonl")
    (tool,) = json.loads((out / "tools.json").read_text())
    assert [call.name for message in example.messages for call in message.tool_calls] == [tool["function"]["name"]]
    for split in ("train", "eval"):
        (out / f"{split}.jsonl").write_text((out / "example.jsonl").read_text().replace("0001", split))
    assert main(["train", "check", "--config", str(out / "config.yaml"), "--stats"]) == 1  # alike, and said so
    with pytest.raises(UserError, match="exists and is not empty"):
        main(["init", "--log", "--base", "x/y", "--gpu-memory", "0", "--out", str(out)])


def test_without_a_terminal_a_folder_must_be_named_and_the_rest_has_defaults(tmp_path) -> None:
    done = init(tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "error: callproof init: no folder is named; give --out DIR, a new or empty folder\n",
    )  # fmt: skip
    assert init(tmp_path, "--out", "inn").returncode == 0
    written = yaml.safe_load((tmp_path / "inn" / "config.yaml").read_text())
    shipped = yaml.safe_load((ROOT / "configs" / "qwen3-4b.yaml").read_text())
    for section in ("model", "lora", "train", "serve"):
        assert written[section] == shipped[section], "the default base on 24 GiB has the settings that are shipped"


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "callproof", "init", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_a_terminal_is_asked_for_what_is_not_given_and_an_empty_answer_takes_the_default(tmp_path) -> None:
    command = [sys.executable, "-m", "callproof", "init", "--base", "Qwen/Qwen3-32B"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=theirs, stderr=theirs, stdout=-1
    ) as asking:
        os.write(ours, b"\n80\ninn\n")  # no logs, the memory, the folder
        printed = asking.communicate(timeout=60)[0]
    os.close(theirs)
    screen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert json.loads(printed) == {"out": "inn", "config": "inn/config.yaml"}
    assert "base model" not in screen
    assert "memory of the GPU in GiB (0: no GPU) [24]: " in screen
    assert "for 32 billion parameters on one GPU of 80 GiB" in (tmp_path / "inn" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("base", "parameters"),
    [
        ("Qwen/Qwen3-4B-Instruct-2507", 4e9), ("Qwen/Qwen3-0.6B", 6e8), ("google/gemma-3-270m", 2.7e8),
        ("Qwen/Qwen3-30B-A3B", 3e10), ("owner/model", None), (str(TINY), 3_407_872),
    ],
)  # fmt: skip
def test_the_size_of_a_base_comes_from_its_files_or_its_name(base: str, parameters: float | None) -> None:
    assert parameters_of(base) == parameters


@pytest.mark.parametrize("gpu", [16, 24, 80])
@pytest.mark.parametrize("size", SHAPES)
def test_what_is_written_for_a_gpu_fits_it_as_the_dry_run_reckons(size: str, gpu: int, tmp_path: Path) -> None:
    from train.before.memory import estimate
    from train.imports.configuration import starting_configuration

    hidden, intermediate, layers, heads, tied = SHAPES[size]
    folder = tmp_path / f"Qwen3-{size}"
    folder.mkdir()
    sizes = {"hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
             "num_attention_heads": heads, "tie_word_embeddings": tied}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(QWEN | sizes))
    path = tmp_path / "config.yaml"
    settings = settings_for(str(folder), gpu)
    path.write_text(starting_configuration(tmp_path, str(folder), settings))
    found = estimate(load(path), gpu)
    assert found.fits or (size == "32B" and gpu < 80), found.table()
    assert settings.quantized == ((size, gpu) in {("8B", 16), ("32B", 16), ("32B", 24)})
