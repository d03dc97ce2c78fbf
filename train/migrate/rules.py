"""What an old key becomes: a rule takes the draft, the old key and its value, and moves or drops it."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT, NEW = "(default)", "(new)"


class Move(NamedTuple):
    """A key of the old configuration, or `NEW`; `key` is None where it was dropped, and `note` says why."""

    old: str
    old_value: Any
    key: str | None
    value: Any
    note: str


class Draft:
    """The configuration as it grows; `old` holds the flat old keys that were written by the user.

    `tools` is the text of a tools.json that has to lie beside the new file.
    """

    def __init__(self, old: Mapping[str, Any]) -> None:
        self.old = old
        self.moves: list[Move] = []
        self.unknown: list[str] = []
        self.tools: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Dotted key -> value; of two moves to one key the later one counts."""
        return {move.key: move.value for move in self.moves if move.key}

    def put(self, key: str, value: Any, old: str = NEW, old_value: Any = None, note: str = "") -> None:
        self.moves.append(Move(old, old_value, key, value, note))

    def drop(self, old: str, old_value: Any, reason: str) -> None:
        self.moves.append(Move(old, old_value, None, None, reason))

    def complete(self, key: str, value: Any, note: str) -> None:
        """Put a value where no old key gave one."""
        if key not in self.values:
            self.put(key, value, note=note)


Rule = Callable[[Draft, str, Any], None]
Convert = Callable[[Any], Any]


class System(NamedTuple):
    """A system whose configurations are read.

    Attributes:
        signs: groups of keys; a configuration that has all of one group is of this system.
        rules: old key -> rule; a key that holds a mapping may have one rule for the whole.
        defaults: old key -> the value that the old system takes where it is left out; applied by the same rule.
        arguments: beginnings of keys that are training arguments of transformers; "" for all others.
        by_leaf: rules go by the last part of a key, whatever the section.
        finish: completes the draft.
    """

    name: str
    signs: tuple[tuple[str, ...], ...]
    rules: Mapping[str, Rule]
    defaults: Mapping[str, Any]
    finish: Callable[[Draft], None]
    arguments: tuple[str, ...] = ()
    by_leaf: bool = False


def to(key: str, convert: Convert = lambda value: value, note: str = "") -> Rule:
    def rule(draft: Draft, old: str, value: Any) -> None:
        draft.put(key, convert(value), old, value, note)

    return rule


def dropped(reason: str) -> Rule:
    def rule(draft: Draft, old: str, value: Any) -> None:
        draft.drop(old, value, reason)

    return rule


def secret(draft: Draft, old: str, value: Any) -> None:
    """Drop a key whose value must be written nowhere."""
    draft.drop(old, "..." if value else value, "a secret: set HF_TOKEN, WANDB_API_KEY and the like in .env")


def unless(unused: tuple[Any, ...], rule: Rule) -> Rule:
    """`rule`, but values that ask for nothing are dropped as such."""

    def choose(draft: Draft, old: str, value: Any) -> None:
        if value in unused:
            draft.drop(old, value, "asks for nothing")
        else:
            rule(draft, old, value)

    return choose


NOTHING = (None, False, "none", "", [], {})
MODULES = unless(NOTHING, dropped("vLLM refuses adapters with modules that are trained whole"))
BIAS = unless(NOTHING, dropped("vLLM refuses adapters with biases"))
DORA = unless(NOTHING, dropped("vLLM refuses DoRA adapters"))
EIGHT_BIT = unless(NOTHING, dropped("the base is loaded in 16 bits or in nf4; set model.quantization: nf4 for less"))
NF4 = unless(NOTHING, to("model.quantization", lambda _: "nf4"))
TRUST = unless(NOTHING, to("model.trust_remote_code", note="runs code of the base's repository"))
TEMPLATE = "the loss is found from the chat template: the assistant's turns and their ends alone"
PADDING = "rows are padded on the right in batches of like length; the loss is the same"


def dtype(value: Any) -> Any:
    short = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
    text = str(value).removeprefix("torch.")
    return short.get(text, text)


def targets(value: Any) -> Any:
    """`target_modules`: a list, or text of names with commas."""
    if value in ("all", "all-linear", ["all"], ["all-linear"], True):
        return "all-linear"
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


FILES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".gz", ".bz2", ".xz")


def source(value: Any, split: str = "train") -> str:
    """`data.train` of a path or of a name on the hub."""
    text = str(value)
    if text.startswith("hf:") or Path(text).exists() or "*" in text or "://" in text or Path(text).suffix in FILES:
        return local(text)
    return text if text.startswith(("/", "./", "../")) else f"hf:{text}:{split}"


def local(path: Any) -> str:
    """A path from the working directory, or a URL."""
    text = str(path)
    return text if text.startswith(("/", "./", "../", "hf:")) or "://" in text else f"./{text}"


READERS = ("json", "csv", "parquet", "text", "arrow")
"""Names of `load_dataset` that read the files of `data_files`."""


def loaded(settings: Mapping[str, Any], name: Any, split: str = "train") -> str | list[str]:
    """`data.train` of the arguments of `datasets.load_dataset`; `name` is its path.

    `data_files` is a path, a list, or one of them by split; `data_dir` is a folder.
    """
    files = settings.get("data_files")
    if isinstance(files, dict):
        files = files.get(split)
    if files is None:
        more = f"/{settings['name']}" if settings.get("name") and "/" in str(name) else ""
        return (
            local(settings["data_dir"])
            if name in READERS and "data_dir" in settings
            else source(f"{name}{more}", split)
        )
    folder = f"{settings['data_dir']}/" if settings.get("data_dir") else ""
    inside = f"{folder}" if name in READERS else f"{name}/{folder}"
    paths = [local(f"{inside}{file}") for file in (files if isinstance(files, list) else [files])]
    return paths if len(paths) > 1 else paths[0]


def name_of(value: Any) -> str:
    """A name of an adapter, from a path or an id on the hub."""
    last = str(value).rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", last).lstrip("-._") or "migrated"


def complete_run(draft: Draft) -> None:
    """Name, sessions and evaluation, which each configuration here has."""
    values = draft.values
    base = values.get("train.hub_model_id") or values.get("train.output_dir") or "migrated"
    draft.complete("name", name_of(base), "of the adapter")
    draft.complete("data.domain", ".", "folder of system_prompt.md, tools.json and sessions/")
    if "data.load_module" in values:
        return
    draft.complete("data.train", "sessions/train.jsonl", "the old file names no data: give its path")
    if "data.eval" not in values:
        draft.complete("data.eval_share", 0.1, "sessions held out for perplexity and evaluate")


def as_recorded(draft: Draft) -> None:
    """Sessions bring their own prompt and tools, and are shown as they were recorded."""
    note = "sessions are shown as they were recorded"
    draft.complete("data.system_prompt", "none", note)
    draft.complete("data.tools", "none", note)
    complete_run(draft)
