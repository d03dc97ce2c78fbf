"""What the base is held to before anything is trained: its context, its pad token, its kind."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from programs import ROOT

from callproof.config import load
from callproof.errors import UserError
from train.before.preflight import check_machine
from train.cli import main
from train.rows.data import context_length, load_tokenizer

CHATS = ROOT / "docs" / "examples" / "chats.yaml"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the embedded base."""
    monkeypatch.chdir(ROOT)
    return Path(shutil.copytree(ROOT / "models" / "tiny", tmp_path / "base"))


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(("wanted", "limit"), [("60", 60), ("8192", 80), ("null", 80)])
def test_no_row_is_longer_than_the_base_was_made_for(
    base: Path, capsys: pytest.CaptureFixture[str], wanted: str, limit: int
) -> None:
    change(base / "config.json", max_position_embeddings=80)
    words = (f"model.base_model={base}", f"data.max_context_length={wanted}")
    assert context_length(load(CHATS, words)) == limit
    assert main(["check", "--config", str(CHATS), "--stats", *words]) == 0
    out, said = capsys.readouterr()
    sides = json.loads(out.splitlines()[-1])["splits"].values()
    assert all(side["tokens"]["percentiles"]["100"] <= limit for side in sides)
    assert sum(len(side["dropped"]) for side in sides) > 0
    assert ("has 80 positions: longer rows are dropped" in said) == (wanted == "8192")


def test_a_tokenizer_without_pad_token_pads_with_its_end(base: Path) -> None:
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(load(CHATS, (f"model.base_model={base}",)).model)
    assert tokenizer.pad_token == tokenizer.eos_token is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which has what is asked for")
@pytest.mark.parametrize("word", ["model.attn_implementation=flash_attention_2", "model.dtype=float16"])
def test_what_needs_a_gpu_is_named_where_there_is_none(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.chdir(ROOT)
    key, _, value = word.partition("=")
    with pytest.raises(UserError, match=f"{key}: {value} needs a CUDA device, and there is none; leave {key} out"):
        check_machine(load(CHATS, (word,)))


def test_a_base_that_is_no_causal_language_model_is_named(base: Path) -> None:
    (base / "config.json").write_text(json.dumps({"model_type": "t5", "d_model": 32, "num_layers": 1}))
    with pytest.raises(UserError, match="is no causal language model; name a base that AutoModelForCausalLM"):
        main(["run", "--config", str(CHATS), "--dry-run", f"model.base_model={base}"])
