"""Keys of one dataset: in `datasets` of axolotl and of TRL, and in LLaMA-Factory's dataset_info.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callproof.calls import RefusedJSON, decode
from callproof.errors import UserError
from callproof.records import read_text

from .rules import NOTHING, Draft, Rule, dropped, loaded, local, source, unless

READ = "is read by itself"
FORM = "the form of a record is recognised by its keys, and the base's chat template writes it"
OTHER_TYPE = (
    "a prompter of your own: rename its fields to instruction, input and output; its words go to prompt.question"
)
TEXTS = "all datasets must be texts for data.text: as_is; train the others by a configuration of their own"
ASSISTANT = "what the assistant says is learnt, and its ends; `train: false` in a message leaves it out"
WHOLE_FILE = "all records are read: cut the file"
IMAGES = "sessions are text"
TEMPLATE = "is of the chat template: set prompt.template_kwargs, or model.chat_template"
NEWEST = "the newest revision is read: give a copy of that one"
ANOTHER = "of another training"
PREFERRED = "the chosen answer is learnt, the rejected one is kept beside it"
ELSEWHERE = "is not read from there: give a path or an hf: source by --data"

PLACE = ("path", "name", "split", "ds_type", "data_files", "data_dir")
FACTORY_PLACE = ("hf_hub_url", "file_name", "cloud_file_name", "subset", "split")


def under(*names: str) -> Rule:
    """A key that tells under which name the records have something, or what a name in them means."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        known = value is None or value in names
        draft.drop(old, value, READ if known else f"rename it in the records to {names[0]}")

    return rule


def _mapped(draft: Draft, old: str, value: Any) -> None:
    names = {"role": ("role", "from"), "content": ("content", "value")}
    own = isinstance(value, dict) and all(name in names.get(key, (key,)) for key, name in value.items())
    draft.drop(old, value, READ if own else "rename them in the records to role and content")


def _speakers(draft: Draft, old: str, value: Any) -> None:
    read = {
        "user": {"human", "user"},
        "assistant": {"gpt", "assistant", "model", "ai", "bot"},
        "system": {"system"},
        "tool": {"tool", "observation", "ipython", "function", "tool_response"},
    }
    known = isinstance(value, dict) and all(
        isinstance(names, list) and read.get(role, set()).issuperset(names) for role, names in value.items()
    )
    draft.drop(old, value, READ if known else "rename them in the records to system, user, assistant and tool")


def _of_all(draft: Draft, *wanted: tuple[str, tuple[Any, ...]]) -> bool:
    """Whether every dataset has one of these values under these keys, which are there."""
    lists = [draft.old.get(key) or [] for key in ("datasets", "test_datasets")]
    entries = [entry for listed in lists if isinstance(listed, list) for entry in listed]
    return all(
        isinstance(entry, dict) and key in entry and entry[key] in values for entry in entries for key, values in wanted
    )


def _type(draft: Draft, old: str, value: Any) -> None:
    if isinstance(value, dict):
        draft.drop(old, value, OTHER_TYPE)
    elif value != "completion":
        draft.drop(old, value, FORM)
    elif _of_all(draft, ("type", ("completion",))):
        draft.put("data.text", "as_is", old, value, "all tokens of a text are learned")
    else:
        draft.drop(old, value, TEXTS)


def _learnt(draft: Draft, old: str, value: Any) -> None:
    """axolotl's documentation trains the last message where both keys stand empty."""
    if value in (None, []) and _of_all(draft, ("roles_to_train", (None, [])), ("train_on_eos", (None,))):
        draft.put("data.supervise", "last", old, value, "the last message of the assistant is learnt")
    else:
        draft.drop(old, value, READ if value in (["assistant"], ["gpt"], ["assistant", "gpt"]) else ASSISTANT)


def _ends(draft: Draft, old: str, value: Any) -> None:
    draft.drop(old, value, READ if value in (None, "turn") else ASSISTANT)


AXOLOTL_DATASET: Mapping[str, Rule] = {
    "type": unless((None,), _type),
    "field_messages": under("messages", "conversations"),
    "message_property_mappings": _mapped,
    "message_field_role": under("role", "from"),
    "message_field_content": under("content", "value"),
    "roles": _speakers,
    "field_human": under("human", "user"),
    "field_model": under("gpt", "assistant"),
    "field_tools": under("tools"),
    "field_thinking": under("reasoning_content", "thinking", "reasoning"),
    "field": under("text"),
    "roles_to_train": _learnt,
    "train_on_eos": _ends,
    "train_on_eot": _ends,
    "message_field_training": under("train"),
    "message_field_training_detail": unless(NOTHING, dropped("a message is learnt whole, or not")),
    "drop_system_message": unless(NOTHING, dropped("take the system messages out of the records")),
    "chat_template": unless((*NOTHING, "tokenizer_default"), dropped(TEMPLATE)),
    "chat_template_jinja": unless(NOTHING, dropped(TEMPLATE)),
    "template_thinking_key": unless(NOTHING, dropped(TEMPLATE)),
    "split_thinking": unless(NOTHING, dropped(TEMPLATE)),
    "conversation": unless(NOTHING, dropped(TEMPLATE)),
    "shards": unless(NOTHING, dropped(WHOLE_FILE)),
    "shards_idx": unless(NOTHING, dropped(WHOLE_FILE)),
    "preprocess_shards": unless(NOTHING, dropped("rows are made when training begins")),
    "revision": unless(NOTHING, dropped(NEWEST)),
    "trust_remote_code": unless(NOTHING, dropped("code of a dataset is never run")),
    "input_transform": unless(NOTHING, dropped("change the records before, or give them by data.load_module")),
    "input_format": unless(NOTHING, dropped("change the records before, or give them by data.load_module")),
    "logprobs_field": unless(NOTHING, dropped(ANOTHER)),
    "temperature": unless(NOTHING, dropped(ANOTHER)),
}
"""Of `SFTDataset` in axolotl's schema, beside the place."""

TRL_DATASET: Mapping[str, Rule] = {
    "columns": unless(NOTHING, dropped("all columns are read: those that make a form of record count")),
    "fraction": unless((None, 1, 1.0), dropped(WHOLE_FILE)),
}
"""Of `DatasetConfig` in TRL, beside the place."""

FACTORY_DATASET: Mapping[str, Rule] = {
    "ms_hub_url": dropped(ELSEWHERE),
    "om_hub_url": dropped(ELSEWHERE),
    "script_url": dropped(ELSEWHERE),
    "folder": unless(NOTHING, dropped(ELSEWHERE)),
    "num_samples": unless(NOTHING, dropped(WHOLE_FILE)),
    "formatting": dropped(FORM),
    "ranking": unless(NOTHING, dropped(PREFERRED)),
    "columns.prompt": under("instruction", "input", "prompt", "query"),
    "columns.query": under("input", "context"),
    "columns.response": under("output", "response"),
    "columns.history": under("history"),
    "columns.messages": under("conversations", "messages"),
    "columns.system": under("system"),
    "columns.tools": under("tools"),
    "columns.images": unless(NOTHING, dropped(IMAGES)),
    "columns.videos": unless(NOTHING, dropped(IMAGES)),
    "columns.audios": unless(NOTHING, dropped(IMAGES)),
    "columns.chosen": under("chosen"),
    "columns.rejected": under("rejected"),
    "columns.kto_tag": under("kto_tag", "label"),
    "tags.role_tag": under("from", "role"),
    "tags.content_tag": under("value", "content"),
    "tags.user_tag": under("human", "user"),
    "tags.assistant_tag": under("gpt", "assistant"),
    "tags.observation_tag": under("observation", "tool"),
    "tags.function_tag": under("function_call", "tool_call"),
    "tags.system_tag": under("system"),
}
"""Of `DatasetAttr` in LLaMA-Factory, beside the place; data/README.md there explains them."""


def listed(key: str, rules: Mapping[str, Rule]) -> Rule:
    """A list of `{path, type, split, ...}`: their places are one value, and each other key has its rule."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        if not isinstance(value, list):
            raise UserError(old, f"expected a list of datasets, got {type(value).__name__}", "mend the old file")
        entries = [entry if isinstance(entry, dict) else {"path": entry} for entry in value]
        _put(draft, key, [place for entry in entries for place in _places(entry)], old, value)
        for number, entry in enumerate(entries):
            rest = {name: inner for name, inner in entry.items() if name not in PLACE}
            _each(draft, f"{old}.{number}", rest, rules)

    return unless(NOTHING, rule)


def _each(draft: Draft, old: str, entry: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    for name, value in entry.items():
        if name in rules:
            rules[name](draft, f"{old}.{name}", value)
        else:
            draft.unknown.append(f"{old}.{name}")


def _put(draft: Draft, key: str, places: list[str], old: str, value: Any, note: str = "") -> None:
    draft.put(key, places if len(places) > 1 else places[0], old, value, note)


def _places(entry: Mapping[str, Any]) -> list[str]:
    """Where the sessions of a dataset are; with `ds_type`, `path` names a file where `data_files` names none."""
    name, kind, files = entry.get("path"), entry.get("ds_type"), entry.get("data_files")
    if kind and not files:
        return [local(name)]
    place = loaded(entry, kind or name, str(entry.get("split") or "train"))
    return place if isinstance(place, list) else [place]


def described(key: str) -> Rule:
    """LLaMA-Factory's `dataset`: names, with commas, that `dataset_info.json` in `dataset_dir` describes."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        names = value if isinstance(value, list) else [name.strip() for name in str(value).split(",")]
        folder = draft.old.get("dataset_dir", "data")
        known = _descriptions(folder)
        if known is None:
            note = "" if folder == "ONLINE" else f"a name in dataset_info.json, which is not in {folder}: give its path"
            _put(draft, key, [source(name) for name in names], old, value, note)
            return
        if missing := [name for name in names if not isinstance(known.get(name), dict)]:
            place = "dataset_dir" if isinstance(folder, dict) else f"{folder}/dataset_info.json"
            problem = f"{place} has no dataset {', '.join(map(str, missing))}, but {', '.join(known)}"
            raise UserError(old, problem[:400], "correct the name")
        places = [place for name in names if (place := _described_place(known[name], folder))]
        if places:
            _put(draft, key, places, old, value)
        for name in names:
            rest = {key: inner for key, inner in _flat(known[name]).items() if key not in FACTORY_PLACE}
            _each(draft, f"{old}.{name}", rest, FACTORY_DATASET)

    return unless(NOTHING, rule)


def _descriptions(folder: Any) -> dict[str, Any] | None:
    """What dataset_info.json says; LLaMA-Factory takes it as a value of `dataset_dir`, too."""
    if isinstance(folder, dict):
        return folder
    path = Path(str(folder), "dataset_info.json")
    if not path.is_file():
        return None
    try:
        known = decode(read_text(path))
    except RefusedJSON as error:
        raise UserError(path, f"malformed JSON ({error})", "mend the file") from None
    if not isinstance(known, dict):
        raise UserError(path, f"expected an object, got {type(known).__name__}", "mend the file")
    return known


def _described_place(entry: Mapping[str, Any], folder: Any) -> str | None:
    """The source of a described dataset, by LLaMA-Factory's order; None where callproof reads none such."""
    if name := entry.get("hf_hub_url"):
        subset = f"/{entry['subset']}" if entry.get("subset") else ""
        return f"hf:{name}{subset}:{entry.get('split') or 'train'}"
    if any(entry.get(key) for key in ("ms_hub_url", "om_hub_url", "script_url")):
        return None
    if url := entry.get("cloud_file_name"):
        return local(url)
    inside = "data" if isinstance(folder, dict) else folder
    return local(Path(str(inside), str(entry["file_name"]))) if entry.get("file_name") else None


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`{"columns": {"messages": x}}` as `{"columns.messages": x}`."""
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        if key in ("columns", "tags") and isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat
