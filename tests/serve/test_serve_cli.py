"""`python -m serve` as a user calls it, as far as it goes without vLLM."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def serve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "serve", *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def write_config(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text)


MISTAKES = {
    "no file": (None, "a.yaml: cannot be read"),
    "unknown key": ("name: a\ndata: {domain: d}\nserve: {prot: 1}\n", "unknown key 'serve.prot'; did you mean 'port'?"),
    "no adapter": ("name: a\ndata: {domain: d}\nmodel: {base_model: o/m}\n", "python -m train --config a.yaml"),
    "no base": ("name: a\ndata: {domain: d}\nmodel: {base_model: ./m}\n", "there is no folder m"),
}


@pytest.mark.parametrize("option", [[], ["--print"]])
@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(
    text: str | None, message: str, option: list[str], tmp_path: Path
) -> None:
    if text is not None:
        write_config(tmp_path, text)
    done = serve(tmp_path, "--config", "a.yaml", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_shows_examples() -> None:
    done = serve(REPOSITORY, "--help")
    assert done.returncode == 0
    assert "python -m serve --config configs/car_sales.yaml --print" in done.stdout


def test_print_gives_one_line_that_starts_the_server_and_starts_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, "name: a\ndata: {domain: d}\nmodel: {base_model: owner/base}\n")
    folder = tmp_path / "outputs/a/adapter"
    folder.mkdir(parents=True)
    settings = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    header = json.dumps({"q_proj.lora_A.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    done = serve(tmp_path, "--config", "a.yaml", "--print", "--port", "8123")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert " owner/base --enable-lora --lora-modules '" in done.stdout
    assert " --port 8123 " in done.stdout
    assert "vllm serve owner/base --enable-lora" in done.stdout + done.stderr
    assert not (tmp_path / "outputs/serve").exists()
