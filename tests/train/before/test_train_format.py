"""`callproof train format` names the format of a template and shows a call, or says why there is none."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from template_tokenizers import trl_template

from callproof.errors import UserError
from train.before import template_format
from train.cli import main

pytest.importorskip("trl")


@pytest.fixture(autouse=True)
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What vLLM reads is held against ours in benchmarks; its import takes half a minute."""
    monkeypatch.setattr(template_format, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("name", "format"),
    [("qwen3", "hermes"), ("qwen3_5_think", "qwen3_xml"), ("llama3_1", "llama3_json"), ("gemma4", "gemma4")],
)
def test_a_template_is_named_and_its_call_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, format: str
) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text(trl_template(name), encoding="utf-8")
    assert main(["format", "--template", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["format"] == format
    assert told["read"] == [told["call"]]
    assert "find_train" in told["text"]
    assert told["vllm"] == "vLLM is not installed"


def test_a_configuration_names_the_template_that_it_trains(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["format", "--config", "configs/car_sales.yaml", "model.chat_template=hermes"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["end"].strip()) == ("hermes", "<|im_end|>")


def test_a_template_that_writes_no_call_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text(trl_template("llama3"), encoding="utf-8")
    with pytest.raises(UserError, match=r"chat.jinja: the template renders no call.*model.chat_template: hermes"):
        main(["format", "--template", str(file)])
