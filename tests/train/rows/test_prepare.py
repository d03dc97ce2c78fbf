"""Prepared rows are the rows that training would make, and none are taken that it would not make."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from callproof.config import RunConfig, load
from callproof.errors import UserError
from train.rows.data import encode_sessions, load_tokenizer
from train.rows.encode import Encoder
from train.rows.hashes import SPLITS
from train.rows.prepare import PERPLEXITY_SESSIONS, prepare, training_rows
from train.rows.prepared_rows import data_hashes

datasets = pytest.importorskip("datasets")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first sessions of a real domain: more eval sessions than perplexity is measured on."""
    folder = tmp_path_factory.mktemp("domain")
    source = ROOT / "datasets/car_sales"
    (folder / "sessions").mkdir()
    for name in ("system_prompt.md", "tools.json"):
        shutil.copy(source / name, folder)
    for split, count in (("train", 8), ("eval", PERPLEXITY_SESSIONS + 3)):
        lines = (source / "sessions" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / "sessions" / f"{split}.jsonl").write_text("".join(lines[:count]), encoding="utf-8")
    (folder / "run.yaml").write_text(
        f"name: demo\ndata:\n  domain: {folder}\n  max_context_length: 1000\nmodel:\n  base_model: {ROOT}/models/tiny\n"
    )
    return folder


@pytest.fixture(scope="module")
def encoder(domain: Path) -> Encoder:
    return Encoder(load_tokenizer(load(domain / "run.yaml").model))


@pytest.fixture(scope="module")
def rows(domain: Path, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "rows"
    prepare(load(domain / "run.yaml"), encoder, out)
    return out


def configured(domain: Path, rows: Path, *words: str) -> RunConfig:
    return load(domain / "run.yaml", [f"data.prepared={rows}", *words])


def refusal(config: RunConfig, encoder: Encoder) -> str:
    with pytest.raises(UserError) as caught:
        training_rows(config, encoder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_training_gets_the_rows_that_it_would_have_made(domain: Path, rows: Path, encoder: Encoder) -> None:
    made = training_rows(load(domain / "run.yaml"), encoder)
    read = training_rows(configured(domain, rows), encoder)
    assert read == made
    assert made[0].dropped, "the context length was to drop a session"
    assert made[1].sessions == PERPLEXITY_SESSIONS


def test_the_folder_is_a_dataset_of_integer_columns_and_the_text(domain: Path, rows: Path, encoder: Encoder) -> None:
    found = datasets.load_from_disk(str(rows))
    assert set(found) == {"train", "eval"}
    config = load(domain / "run.yaml")
    for split in SPLITS:
        expected = encode_sessions(split, config, encoder).rows
        assert found[split]["input_ids"][:] == [row.input_ids for row in expected]
        assert found[split]["labels"][:] == [row.labels for row in expected]
        assert found[split]["attention_mask"][:] == [[1] * len(row.input_ids) for row in expected]
        assert [encoder.tokenizer.decode(row["input_ids"]) for row in found[split]] == found[split]["full_text"][:]
    types = {name: str(feature) for name, feature in found["train"].features.items()}
    assert types == {
        "input_ids": "List(Value('int32'))",
        "labels": "List(Value('int32'))",
        "attention_mask": "List(Value('int8'))",
        "full_text": "Value('string')",
    }


def test_the_manifest_names_the_data_that_the_rows_were_made_from(domain: Path, rows: Path) -> None:
    assert data_hashes(configured(domain, rows)) == data_hashes(load(domain / "run.yaml"))


def test_rows_of_another_template_are_refused(domain: Path, rows: Path, tmp_path: Path) -> None:
    template = tmp_path / "other.jinja"
    template.write_text(load_tokenizer(load(domain / "run.yaml").model).chat_template + " ")
    config = configured(domain, rows, f"model.chat_template={template}")
    assert "rows were prepared with another chat template than" in refusal(
        config, Encoder(load_tokenizer(config.model))
    )


def test_rows_of_another_tokenizer_are_refused(domain: Path, rows: Path) -> None:
    other = load_tokenizer(load(domain / "run.yaml").model)
    other.add_tokens(["<new>"])
    assert "rows were prepared with another tokenizer than" in refusal(configured(domain, rows), Encoder(other))


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("data.supervise=last", "rows were prepared with data.supervise all, not last"),
        ("prompt.date_line=true", "other `prompt` settings"),
        ("data.max_context_length=999", "data.max_context_length 1000, not 999"),
        ("data.train=sessions/eval.jsonl", "another train than"),
    ],
)
def test_rows_of_another_configuration_are_refused(
    domain: Path, rows: Path, encoder: Encoder, word: str, named: str
) -> None:
    assert named in refusal(configured(domain, rows, word), encoder)


def test_rows_are_taken_where_their_sessions_are_not(
    domain: Path, rows: Path, encoder: Encoder, tmp_path: Path
) -> None:
    for name in ("system_prompt.md", "tools.json"):
        shutil.copy(domain / name, tmp_path)
    config = configured(domain, rows, f"data.domain={tmp_path}")
    assert training_rows(config, encoder) == training_rows(load(domain / "run.yaml"), encoder)
    assert data_hashes(config) == data_hashes(load(domain / "run.yaml"))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: shutil.rmtree(folder), "prepared.json: cannot be read"),
        (lambda folder: (folder / "prepared.json").write_text("[]"), "prepared.json: is no record of prepared rows"),
        (lambda folder: (folder / "prepared.json").write_text("{"), "prepared.json: is no record of prepared rows"),
        (lambda folder: shutil.rmtree(folder / "train"), "train: cannot be read"),
        (lambda folder: next((folder / "train").glob("*.arrow")).write_bytes(b"x" * 99), "train: cannot be read"),
        (lambda folder: (folder / "train" / "state.json").write_text("{}"), "train: cannot be read"),
        (lambda folder: _swap(folder), "train: expected 5 whole rows, got "),
    ],
    ids=["gone", "no-object", "no-json", "no-split", "no-arrow", "no-state", "other-rows"],
)
def test_a_damaged_folder_is_one_line(
    domain: Path, rows: Path, encoder: Encoder, tmp_path: Path, spoil, named: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(rows, copy)
    record = json.loads((copy / "prepared.json").read_text())
    named = named.replace("5", str(record["splits"]["train"]["counts"]["rows"]))
    spoil(copy)
    assert named in refusal(configured(domain, copy), encoder)


def _swap(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    shutil.copytree(folder / "eval", folder / "train")


def test_a_folder_that_holds_something_is_left_alone(domain: Path, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="exists and is not empty"):
        prepare(load(domain / "run.yaml"), encoder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_fails_leaves_no_folder_behind(domain: Path, encoder: Encoder, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.rows.prepare.write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(load(domain / "run.yaml"), encoder, tmp_path / "new" / "rows")
    assert list(tmp_path.iterdir()) == []
