"""The five systems that this project unites: see docs/explanation/seeds.md."""

import sys
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.records import read_text

from .arguments import HF_DEFAULTS
from .catalogue import recorded_tools
from .rules import (
    BIAS,
    EIGHT_BIT,
    MODULES,
    NEW,
    NF4,
    NOTHING,
    PADDING,
    TEMPLATE,
    TRUST,
    Draft,
    Rule,
    System,
    as_recorded,
    complete_run,
    dropped,
    dtype,
    loaded,
    local,
    name_of,
    source,
    targets,
    to,
    unless,
)

DEVICE = dropped("accelerate places the base; see docs/howto/training.md for several GPUs")
LORA_TASK = dropped("adapters are of causal language models")
FLASH = (
    "the old default: transformers chooses the attention; set model.attn_implementation where flash_attn is installed"
)


def _glob(key: str) -> Rule:
    """`train_files`: glob patterns in `data_dir`."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        patterns = value if isinstance(value, list) else [value]
        folder = str(draft.old.get("data.data_dir", "data"))
        places = [local(f"{folder}/{pattern}") for pattern in patterns]
        draft.put(key, places if len(places) > 1 else places[0], old, value)

    return unless(NOTHING, rule)


def _injected(key: str, there: str) -> Rule:
    def rule(draft: Draft, old: str, value: Any) -> None:
        if value:
            draft.put(key, there, old, value)
        elif key == "prompt.catalog":
            draft.put(key, "none", old, value)
        else:
            draft.drop(old, value, "asks for nothing")

    return rule


def _finish_lab(draft: Draft) -> None:
    folder = draft.values.get("data.domain", "data")
    places = [Path(place, "tool_catalogue.json") for place in (folder, f"{folder}/..", f"{folder}/../lab", "lab", ".")]
    if catalogue := next((path for path in places if path.is_file()), None):
        draft.complete("data.tools", local(catalogue), "the catalogue of the old system")
    elif sources := draft.values.get("data.train"):
        draft.tools = recorded_tools(sources)
    as_recorded(draft)


LAB = System(
    name="llm-tuning-lab (seed 000)",
    signs=(("model.base_model", "training.num_train_epochs"), ("lora.lora_alpha",), ("training.output_dir",)),
    rules={
        "model.base_model": to("model.base_model"),
        "model.torch_dtype": to("model.dtype", dtype),
        "model.device_map": DEVICE,
        "data.data_dir": to("data.domain"),
        "data.train_files": _glob("data.train"),
        "data.eval_files": _glob("data.eval"),
        "data.max_length": to("data.max_context_length", note="longer rows are dropped and counted, not cut"),
        "data.inject_tool_preamble": _injected("prompt.preamble", "builtin"),
        "data.inject_tool_catalog": _injected("prompt.catalog", "text"),
        "lora.r": to("lora.r"),
        "lora.lora_alpha": to("lora.alpha"),
        "lora.lora_dropout": to("lora.dropout"),
        "lora.target_modules": to("lora.target_modules", targets),
    },
    defaults={
        "data.data_dir": "data",
        "data.train_files": ["*.jsonl"],
        "data.inject_tool_preamble": True,
        "data.inject_tool_catalog": True,
    },
    finish=_finish_lab,
    arguments=("training.",),
)


def _attention(draft: Draft, old: str, value: Any) -> None:
    if value == "flash_attention_2":
        draft.drop(old, value, FLASH)
    else:
        draft.put("model.attn_implementation", value, old, value)


SERVER = System(
    name="kylis_kit LoRA server (seed 001)",
    signs=(("model_name", "lora_rank"), ("lora_rank", "epochs"), ("model_save_path",), ("response_template",)),
    rules={
        "model_name": to("model.base_model"),
        "lora_path": unless((None,), to("model.lora_path")),
        "lora_rank": to("lora.r"),
        "lora_alpha": to("lora.alpha"),
        "lora_dropout": to("lora.dropout"),
        "epochs": to("train.num_train_epochs"),
        "batch_size": to("train.per_device_train_batch_size"),
        "learning_rate": to("train.learning_rate"),
        "max_length": to("data.max_context_length", note="null: as many tokens as the base has positions"),
        "model_save_path": unless((None,), to("train.output_dir", note="the adapter goes to `adapter` in it")),
        "response_template": dropped(TEMPLATE),
        "lora_target_modules": to("lora.target_modules", targets),
        "lora_modules_to_save": MODULES,
        "tokenizer_padding_side": dropped(PADDING),
        "attn_implementation": _attention,
        "file": to("data.train", source),
    },
    defaults={
        "model_name": "Qwen/Qwen2.5-0.5B", "lora_rank": 8, "lora_alpha": 32, "lora_dropout": 0.05, "epochs": 3,
        "batch_size": 4, "learning_rate": 3e-4, "max_length": None, "lora_target_modules": "all-linear",
        "lora_modules_to_save": ["lm_head", "embed_token"], "tokenizer_padding_side": "left",
        "response_template": "<|im_start|>assistant\n",
    },
    finish=as_recorded,
)  # fmt: skip


def _tokenizer(draft: Draft, old: str, value: Any) -> None:
    same = value == draft.old.get("model.base_model_name")
    reason = "is the base's own" if same else "the base's own is used; give a base folder that holds the other one"
    draft.drop(old, value, reason)


def _module(draft: Draft, old: str, value: Any) -> None:
    code = _code(str(value))
    if draft.old.get("data.dataset_name") and (code is None or "input_ids" in code):
        how = "is not on this machine's path" if code is None else "makes rows of tokens, which training makes here"
        reason = f"sessions are read from dataset_name, for the module {how}"
        draft.drop(old, value, f"{reason}. If it changes sessions, give them by build_sessions(config, split)")
        return
    draft.put("data.load_module", value, old, value, "gives the sessions, by build_sessions or build_datasets")
    for key, inner in draft.old.items():
        if not key.endswith(("hub_token", "api_key")):
            draft.put(f"data.options.{key}", inner, NEW, None, "for build_datasets(cfg)")


def _code(module: str) -> str | None:
    """The source of a module or package, found as training finds it but not run; None where it is not there."""
    place = module.replace(".", "/")
    for folder in ("", *sys.path):
        package, file = Path(folder, place), Path(folder, f"{place}.py")
        files = sorted(package.glob("*.py")) if (package / "__init__.py").is_file() else [file]
        if files[0].is_file():
            return "\n".join(read_text(path) for path in files)
    return None


def _finish_tool_calls(draft: Draft) -> None:
    for key in ("date_line", "shuffle_sections", "shuffle_tools"):
        draft.complete(f"prompt.{key}", True, "as the old system has it, by the session's id")
    complete_run(draft)


TOOL_CALLS = System(
    name="llm-tool-call-sft (seed 002)",
    signs=(("data.sysprompt_path",), ("data.dataset_name", "model.base_model_name"), ("model.base_model_name",)),
    rules={
        "data.load_module": _module,
        "data.dataset_name": to("data.train", source),
        "data.timezone": to("prompt.timezone"),
        "data.sysprompt_path": to("data.system_prompt"),
        "data.tools_path": to("data.tools"),
        "data.tokenizer": _tokenizer,
        "data.max_context_length": to("data.max_context_length"),
        "data.drop_oversized": dropped("longer rows are always dropped and counted"),
        "data.n_tool_sessions_eval": to("eval.max_sessions"),
        "model.base_model_name": to("model.base_model"),
        "model.torch_dtype": to("model.dtype", dtype),
        "model.pad_token_fallback": dropped("a tokenizer without pad token pads with its end token"),
        "model.trust_remote_code": TRUST,
        "model.attn_implementation": to("model.attn_implementation"),
        "lora.r": to("lora.r"),
        "lora.alpha": to("lora.alpha"),
        "lora.dropout": to("lora.dropout"),
        "lora.target_modules": to("lora.target_modules", targets),
        "lora.bias": BIAS,
        "lora.task_type": LORA_TASK,
        "eval.max_new_tokens_eval": to("eval.max_tokens"),
        "eval.temperature": to("eval.temperature"),
    },
    defaults={f"train.{key}": value for key, value in HF_DEFAULTS.items() if key not in ("save_steps",)},
    finish=_finish_tool_calls,
    arguments=("train.", "run."),
)


_READ = ("path", "dataset_path", "split", "name", "data_files", "data_dir")


def _dataset(key: str) -> Rule:
    """`{method: load_dataset | load_from_disk, kwargs}`."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        kwargs = value.get("kwargs") if isinstance(value, dict) else None
        place = (kwargs.get("path") or kwargs.get("dataset_path")) if isinstance(kwargs, dict) else None
        if not isinstance(kwargs, dict) or not isinstance(place, str):
            raise UserError(old, "expected a method and kwargs with a path or dataset_path", "mend the old file")
        rest = {name: inner for name, inner in kwargs.items() if name not in _READ}
        note = f"left out: {rest}" if rest else ""
        on_disk = value.get("method") == "load_from_disk"
        name = local(place) if on_disk else loaded(kwargs, place, str(kwargs.get("split", "train")))
        draft.put(key, name, old, value, note)

    return rule


def _prompt(draft: Draft, old: str, value: Any) -> None:
    reason = (
        "write its input_template as a .jinja file for prompt.question and its system_message as data.system_prompt"
    )
    draft.drop(old, value, f"the base's chat template renders rows; for other words, {reason}")


SATURN = System(
    name="Saturn Cloud LLM framework (seed 003)",
    signs=(("source_config", "base_model"), ("train_dataset_config",), ("training_arguments", "base_model")),
    rules={
        "source_config": _dataset("data.train"),
        "base_model": to("model.base_model"),
        "prompt_config": _prompt,
        "prompt_format_config": dropped("the base's chat template renders rows"),
        "dataset_writer_config": dropped("rows are made when training begins; `train prepare` writes them to disk"),
        "train_dataset_config": dropped("rows are made from source_config when training begins"),
        "eval_dataset_config": dropped("rows are made when training begins; set data.eval to a source of sessions"),
        "local_output": to("train.output_dir", note="the adapter goes to `adapter` in it"),
        "load_in_4bit": NF4,
        "load_in_8bit": EIGHT_BIT,
        "num_proc": dropped("rows are encoded in one process, while libraries are imported"),
    },
    defaults={f"training_arguments.{key}": value for key, value in HF_DEFAULTS.items()},
    finish=as_recorded,
    arguments=("training_arguments.",),
)


def _text_column(draft: Draft, old: str, value: Any) -> None:
    place = next((draft.old[key] for key in draft.old if key.endswith("dataset_path")), None)
    if not value:
        draft.drop(old, value, "asks for nothing")
    elif (
        place and Path(str(place)).is_file() and '"messages"' in Path(str(place)).read_text(encoding="utf-8")[:100_000]
    ):
        draft.drop(old, value, "the file holds messages, which the chat template renders here too")
    else:
        draft.put("data.text", "as_is", old, value, "all tokens of a text are learned")


ADAPTER = System(
    name="LoRA SFT Training (seed 004)",
    signs=(("model.model_id",), ("paths.dataset_path",), ("dataset.use_text_column",)),
    rules={
        "model_id": to("model.base_model"),
        "dataset_path": to("data.train", source),
        "eval_dataset_path": unless((None,), to("data.eval", source)),
        "run_name": to("name", name_of),
        "output_dir": to("train.output_dir"),
        "use_text_column": _text_column,
        "use_4bit_quantization": NF4,
        "torch_dtype": to("model.dtype", dtype),
        "max_seq_length": to("data.max_context_length", note="longer rows are dropped and counted, not cut"),
        "trust_remote_code": TRUST,
        "attn_implementation": to("model.attn_implementation"),
        "r": to("lora.r"),
        "lora_r": to("lora.r"),
        "lora_alpha": to("lora.alpha"),
        "alpha": to("lora.alpha"),
        "lora_dropout": to("lora.dropout"),
        "dropout": to("lora.dropout"),
        "target_modules": to("lora.target_modules", targets),
        "bias": BIAS,
        "task_type": LORA_TASK,
        "device_map": DEVICE,
    },
    defaults=HF_DEFAULTS,
    finish=as_recorded,
    arguments=("training.", "train.", "training_args.", ""),
    by_leaf=True,
)

SYSTEMS = (LAB, SERVER, TOOL_CALLS, SATURN, ADAPTER)
