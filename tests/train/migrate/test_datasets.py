"""What becomes of the keys of one dataset, on configurations rebuilt from the documentation of each system."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import ROOT, run_program

from callproof.config import RunConfig, resolve_values
from callproof.errors import UserError
from callproof.turns import split_sessions
from train.migrate import migrate, nested
from train.migrate.datasets import AXOLOTL_DATASET, FACTORY_DATASET, READ, TRL_DATASET
from train.migrate.rules import Draft

TINY = str(ROOT / "models/tiny")
TALK: list[dict[str, Any]] = [
    {"from": "human", "value": "Is it open?"},
    {"from": "function_call", "value": '{"name": "hours", "arguments": {"day": "Monday"}}'},
    {"from": "observation", "value": '{"open": true}'},
    {"from": "gpt", "value": "It is."},
]
TOOLS = json.dumps([{"name": "hours", "description": "When.", "parameters": {"type": "object", "properties": {}}}])


def translated(folder: Path, old: dict[str, Any]) -> tuple[RunConfig, dict[str, str]]:
    """The configuration, and old key -> why it was dropped."""
    (folder / "old.yaml").write_text(yaml.safe_dump(old))
    _, draft = migrate([folder / "old.yaml"])
    config = resolve_values(RunConfig, nested(draft)).config
    return config, {move.old: move.note for move in draft.moves if move.key is None}


def written(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def axolotl(*datasets: dict[str, Any]) -> dict[str, Any]:
    return {"base_model": TINY, "micro_batch_size": 1, "datasets": list(datasets)}


def test_axolotl_s_masked_conversations_are_read_with_their_masks(tmp_path: Path) -> None:
    talk = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello", "train": False},
            {"from": "human", "value": "How are you?"}, {"from": "gpt", "value": "Well."}]  # fmt: skip
    dataset = {
        "path": written(tmp_path / "a.jsonl", [{"conversations": talk}]), "ds_type": "json", "type": "chat_template",
        "chat_template": "tokenizer_default", "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"}, "roles": {"assistant": ["gpt", "model"]},
        "roles_to_train": [], "train_on_eos": "turn", "message_field_training": "train",
        "message_field_training_detail": "train_detail", "shards": 10,
    }  # fmt: skip
    config, dropped = translated(tmp_path, axolotl(dataset))
    ((_, session),) = split_sessions(config, "train")
    assert [(message.role, message.content, message.train) for message in session.messages] == [
        ("user", "Hello", True), ("assistant", "Hello", False), ("user", "How are you?", True),
        ("assistant", "Well.", True),
    ]  # fmt: skip
    by_itself = ("field_messages", "message_property_mappings", "roles", "train_on_eos", "message_field_training")
    assert {dropped[f"datasets.0.{key}"] for key in by_itself} == {READ}
    assert dropped["datasets.0.message_field_training_detail"] == "a message is learnt whole, or not"
    assert dropped["datasets.0.shards"] == "all records are read: cut the file"


def test_a_name_that_records_are_not_read_by_is_to_be_renamed(tmp_path: Path) -> None:
    dataset = {"path": "o/n", "type": "chat_template", "field_messages": "dialogue", "field_tools": "apis",
               "roles": {"user": ["customer"]}, "message_property_mappings": {"role": "who"}}  # fmt: skip
    _, dropped = translated(tmp_path, axolotl(dataset))
    assert dropped["datasets.0.field_messages"] == "rename it in the records to messages"
    assert dropped["datasets.0.field_tools"] == "rename it in the records to tools"
    assert dropped["datasets.0.roles"] == "rename them in the records to system, user, assistant and tool"
    assert dropped["datasets.0.message_property_mappings"] == "rename them in the records to role and content"


def test_texts_are_learnt_whole_where_all_datasets_are_texts(tmp_path: Path) -> None:
    texts = {"path": "o/n", "type": "completion", "field": "text"}
    config, _ = translated(tmp_path, axolotl(texts, texts))
    assert config.data.text == "as_is"
    config, dropped = translated(tmp_path, axolotl(texts, {"path": "o/m", "type": "alpaca"}))
    assert config.data.text == "chatml"
    assert dropped["datasets.0.type"].startswith("all datasets must be texts")


@pytest.mark.parametrize(
    ("keys", "supervise"),
    [
        ({"roles_to_train": None, "train_on_eos": None}, "last"),  # axolotl's "Training on last message"
        ({"roles_to_train": ["assistant"]}, "all"),
        ({"roles_to_train": []}, "all"),
        ({}, "all"),
    ],
)
def test_the_last_message_alone_is_learnt_where_axolotl_would(
    tmp_path: Path, keys: dict[str, Any], supervise: str
) -> None:
    config, _ = translated(tmp_path, axolotl({"path": "o/n", "type": "chat_template", **keys}))
    assert config.data.supervise == supervise


def test_a_prompter_of_one_s_own_and_a_template_file_have_their_places(tmp_path: Path) -> None:
    kind = {"field_instruction": "q", "field_output": "a", "format": "Q: {instruction}"}
    (tmp_path / "t.jinja").write_text("{{ messages }}")
    old = axolotl({"path": "o/n", "type": kind}) | {"chat_template_jinja": str(tmp_path / "t.jinja")}
    config, dropped = translated(tmp_path, old)
    assert config.model.chat_template == tmp_path / "t.jinja"
    assert "prompt.question" in dropped["datasets.0.type"]


def test_unknown_keys_of_datasets_are_named_all_at_once(tmp_path: Path) -> None:
    old = axolotl({"path": "o/n", "feild": 1}, {"path": "o/m", "typ": "x"})
    with pytest.raises(UserError, match=re.escape("datasets.0.feild, datasets.1.typ")):
        translated(tmp_path, old)


def test_trl_s_mixture_names_its_columns_and_fractions(tmp_path: Path) -> None:
    datasets = [{"path": "o/n", "name": "part", "split": "valid", "columns": ["messages"]},
                {"path": "json", "data_files": "./a.jsonl", "fraction": 0.5}]  # fmt: skip
    old = {"model_name_or_path": TINY, "use_peft": True, "datasets": datasets}
    config, dropped = translated(tmp_path, old)
    assert config.data.train == ("hf:o/n/part:valid", "./a.jsonl")
    assert set(dropped) >= {"datasets.0.columns", "datasets.1.fraction"}


INFO = {
    "alpaca": {
        "file_name": "alpaca.jsonl",
        "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system",
                    "history": "history"},
    },
    "glaive": {
        "file_name": "glaive.jsonl", "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
    },
    "openai": {
        "file_name": "openai.jsonl", "formatting": "sharegpt", "num_samples": 5, "columns": {"messages": "messages"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
                 "system_tag": "system"},
    },
    "hub": {"hf_hub_url": "o/n", "file_name": "unused.json", "subset": "part", "split": "valid", "ranking": True},
    "cloud": {"cloud_file_name": "s3://bucket/x.jsonl", "columns": {"messages": "dialogue", "images": "pictures"}},
    "scope": {"ms_hub_url": "o/n"},
}  # fmt: skip
"""dataset_info.json as data/README.md of LLaMA-Factory tells it."""


@pytest.fixture
def factory(tmp_path: Path) -> dict[str, Any]:
    records = {
        "alpaca": {"instruction": "Add.", "input": "1, 2", "output": "3", "system": "Count.", "history": [["a", "b"]]},
        "glaive": {"conversations": TALK, "system": "You help.", "tools": TOOLS},
        "openai": {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
    }
    for name, record in records.items():
        written(tmp_path / f"{name}.jsonl", [record])
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO))
    return {"model_name_or_path": TINY, "stage": "sft", "finetuning_type": "lora", "dataset_dir": str(tmp_path)}


def test_described_datasets_are_read_from_their_files(tmp_path: Path, factory: dict[str, Any]) -> None:
    config, dropped = translated(tmp_path, factory | {"dataset": "alpaca, glaive,openai", "val_size": 0})
    config = config.model_copy(update={"data": config.data.model_copy(update={"eval_share": 0.0})})
    alpaca, glaive, openai = (session for _, session in split_sessions(config, "train"))
    assert [(message.role, message.content) for message in alpaca.messages] == [
        ("user", "a"), ("assistant", "b"), ("user", "Add.\n\n1, 2"), ("assistant", "3"),
    ]  # fmt: skip
    assert (alpaca.system, glaive.system) == ("Count.", "You help.")
    assert [call.name for message in glaive.messages for call in message.tool_calls] == ["hours"]
    assert [message.content for message in openai.messages] == ["Hi", "Ho"]
    assert {dropped[f"dataset.{key}"] for key in ("alpaca.columns.query", "glaive.columns.tools")} == {READ}
    assert dropped["dataset.openai.num_samples"] == "all records are read: cut the file"


def test_places_of_described_datasets(tmp_path: Path, factory: dict[str, Any]) -> None:
    config, dropped = translated(tmp_path, factory | {"dataset": ["hub", "cloud", "scope"], "eval_dataset": "openai"})
    assert config.data.train == ("hf:o/n/part:valid", "s3://bucket/x.jsonl")
    assert config.data.eval == f"{tmp_path}/openai.jsonl"
    assert dropped["dataset.scope.ms_hub_url"].startswith("is not read from there")
    assert dropped["dataset.cloud.columns.messages"] == "rename it in the records to conversations"
    assert dropped["dataset.cloud.columns.images"] == "sessions are text"
    assert dropped["dataset.hub.ranking"].startswith("the chosen answer is learnt")


def test_a_name_that_is_not_described_is_refused_and_without_a_description_it_is_said(
    tmp_path: Path, factory: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=re.escape("dataset_info.json has no dataset alpca, but alpaca, glaive")):
        translated(tmp_path, factory | {"dataset": "alpca,openai"})
    inline = factory | {"dataset_dir": {"one": {"hf_hub_url": "o/one"}}, "dataset": "one"}
    assert translated(tmp_path, inline)[0].data.train == "hf:o/one:train"
    assert translated(tmp_path, factory | {"dataset_dir": "ONLINE", "dataset": "o/n"})[0].data.train == "hf:o/n:train"
    (tmp_path / "dataset_info.json").unlink()
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(factory | {"dataset": "alpaca"}))
    done = run_program("train", "migrate", tmp_path / "old.yaml", "--out", tmp_path / "new.yaml")
    assert done.returncode == 0
    assert "a name in dataset_info.json, which is not in" in done.stderr


TABLES = {"axolotl": AXOLOTL_DATASET, "LLaMA-Factory": FACTORY_DATASET, "TRL": TRL_DATASET}
VALUES: tuple[Any, ...] = ("x", 0.5, True, ["x"], {"a": "x"}, "completion", [])


def rows(system: str) -> Iterator[tuple[str, set[str]]]:
    """Keys that the page lists under the datasets of a system, and what becomes of them."""
    for line in (ROOT / "docs/howto/migrate.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0] == f"{system}, a dataset":
            yield from ((key.strip("` "), set(cells[2].split(" / "))) for key in cells[1].split(","))


def becomes(system: str, key: str) -> set[str]:
    told: set[str] = set()
    for value in VALUES:
        for beside in ({"roles_to_train": None, "train_on_eos": None, "type": "completion"}, {}):
            draft = Draft({"datasets": [beside]})
            TABLES[system][key](draft, key, value)
            told |= {f"`{move.key}`" if move.key else f"dropped: {move.note}" for move in draft.moves}
    return told - {"dropped: asks for nothing", f"dropped: {READ}"} or {f"dropped: {READ}"}


@pytest.mark.parametrize("system", TABLES)
def test_the_page_tells_what_becomes_of_every_key_of_a_dataset(system: str) -> None:
    said = dict(rows(system))
    assert said == {key: becomes(system, key) for key in TABLES[system]}
