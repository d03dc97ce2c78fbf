"""Widely used trainers: axolotl, LLaMA-Factory and TRL's own YAML files."""

from typing import Any

from .arguments import HF_DEFAULTS, TRL_DEFAULTS
from .datasets import AXOLOTL_DATASET, TRL_DATASET, described, listed
from .left_out import AXOLOTL_LEFT, FACTORY_LEFT
from .rules import (
    BIAS,
    DORA,
    EIGHT_BIT,
    MODULES,
    NEW,
    NF4,
    NOTHING,
    TEMPLATE,
    TRUST,
    Draft,
    Rule,
    System,
    as_recorded,
    dropped,
    dtype,
    secret,
    source,
    targets,
    to,
    unless,
)

FAST = dropped("kernels are chosen by transformers; set model.attn_implementation where it matters")
CACHE = dropped("rows are made when training begins; `train prepare` writes them to disk")
LENGTH = to("data.max_context_length", note="longer rows are dropped and counted, not cut")
SHARE = unless((None, 0, 0.0), to("data.eval_share", note="a share of the training sessions, by session id"))


def _flash(draft: Draft, old: str, value: Any) -> None:
    names = {
        "eager_attention": "eager",
        "flash_attention": "flash_attention_2",
        "fa2": "flash_attention_2",
        "sdp_attention": "sdpa",
    }
    name = names.get(value) or names.get(old) or value
    if value in (*NOTHING, "auto", "disabled"):
        draft.drop(old, value, "the model's own attention is taken")
    else:
        draft.put("model.attn_implementation", name, old, value)


def _adapter(draft: Draft, old: str, value: Any) -> None:
    if value == "qlora":
        draft.put("model.quantization", "nf4", old, value)
    elif value == "lora":
        draft.drop(old, value, "adapters are LoRA")
    else:
        draft.drop(old, value, "callproof trains LoRA adapters; this was another training")


def _linear(draft: Draft, old: str, value: Any) -> None:
    if value:
        draft.put("lora.target_modules", "all-linear", old, value)
    else:
        draft.drop(old, value, "asks for nothing")


def _per_epoch(kind: str) -> Rule:
    def rule(draft: Draft, old: str, value: Any) -> None:
        if value == 1:
            draft.put(f"train.{kind}_strategy", "epoch", old, value)
        elif value:
            draft.drop(old, value, f"set train.{kind}_steps, or train.{kind}_strategy: epoch for one an epoch")
        else:
            draft.put(f"train.{kind}_steps", 0, old, value)

    return rule


def _whole_batch(draft: Draft, old: str, value: Any) -> None:
    """axolotl's `batch_size`: that of all accumulated steps of a device."""
    size = draft.old.get("micro_batch_size") or 1
    if isinstance(value, int) and isinstance(size, int) and value % size == 0 and value:
        draft.put("train.gradient_accumulation_steps", value // size, old, value, f"{value} in batches of {size}")
    else:
        draft.drop(old, value, "set train.gradient_accumulation_steps")


def _start(draft: Draft, old: str, value: Any) -> None:
    if value in ("gaussian", "orthogonal"):
        draft.put("lora.init", value, old, value)
    else:
        draft.drop(
            old, value, "asks for nothing" if value in (None, True) else "lora.init is default, gaussian or orthogonal"
        )


def _logged(tracker: str, note: str = "") -> Rule:
    return unless(NOTHING, to("train.report_to", lambda _: tracker, note))


def _typed(name: str) -> Rule:
    return unless(NOTHING, to("model.dtype", lambda _: name))


def _template(draft: Draft, old: str, value: Any) -> None:
    own = value in (None, "tokenizer_default")
    draft.drop(old, value, TEMPLATE if own else "the base's own is used; a .jinja file may be model.chat_template")


def _template_file(draft: Draft, old: str, value: Any) -> None:
    if str(value).endswith((".jinja", ".jinja2")):
        draft.put("model.chat_template", value, old, value)
    else:
        draft.drop(old, value, "write it to a .jinja file, and name that in model.chat_template")


def _base_of(draft: Draft, old: str, value: Any) -> None:
    same = value in (None, draft.old.get("base_model"), draft.old.get("model_name_or_path"))
    draft.drop(old, value, "the base's own is used" if same else "give a base folder that holds the other one")


AXOLOTL = System(
    name="axolotl",
    signs=(("base_model", "datasets"), ("micro_batch_size",), ("base_model", "sequence_len")),
    rules={
        **AXOLOTL_LEFT,
        "base_model": to("model.base_model"),
        "base_model_config": _base_of,
        "tokenizer_config": _base_of,
        "tokenizer_type": FAST,
        "trust_remote_code": TRUST,
        "revision_of_model": to("model.revision"),
        "torch_dtype": to("model.dtype", dtype),
        "load_in_8bit": EIGHT_BIT,
        "load_in_4bit": NF4,
        "strict": dropped("every key is checked always"),
        "datasets": listed("data.train", AXOLOTL_DATASET),
        "test_datasets": listed("data.eval", AXOLOTL_DATASET),
        "val_set_size": SHARE,
        "dataset_prepared_path": CACHE,
        "dataset_processes": CACHE,
        "shuffle_merged_datasets": CACHE,
        "chat_template": _template,
        "chat_template_jinja": unless(NOTHING, _template_file),
        "train_on_inputs": dropped(TEMPLATE),
        "special_tokens": dropped("the tokenizer's own are used"),
        "tokens": unless(NOTHING, dropped("likewise")),
        "sequence_len": LENGTH,
        "sample_packing": to("train.packing"),
        "eval_sample_packing": dropped("evaluation packs nothing"),
        "pad_to_sequence_len": dropped("rows are not padded to it"),
        "adapter": _adapter,
        "lora_model_dir": unless(NOTHING, to("model.lora_path")),
        "lora_r": to("lora.r"),
        "lora_alpha": to("lora.alpha"),
        "lora_dropout": to("lora.dropout"),
        "lora_target_linear": _linear,
        "lora_target_modules": unless(NOTHING, to("lora.target_modules", targets)),
        "lora_modules_to_save": MODULES,
        "lora_fan_in_fan_out": unless(NOTHING, dropped("is for Conv1D layers")),
        "peft_use_rslora": to("lora.use_rslora"),
        "peft_use_dora": DORA,
        "use_wandb": _logged("wandb"),
        "use_tensorboard": _logged("tensorboard"),
        "use_trackio": _logged("trackio"),
        "wandb_project": _logged("wandb", "set WANDB_PROJECT in the environment or .env"),
        "wandb_entity": unless(NOTHING, dropped("set WANDB_ENTITY")),
        "wandb_watch": unless(NOTHING, dropped("is not offered")),
        "wandb_name": unless(NOTHING, dropped("a run is called as its adapter, see name")),
        "wandb_log_model": unless(NOTHING, dropped("set WANDB_LOG_MODEL")),
        "comet_api_key": secret,
        "batch_size": _whole_batch,
        "bfloat16": _typed("bfloat16"),
        "float16": _typed("float16"),
        "float32": _typed("float32"),
        "lora_rank_pattern": unless(NOTHING, to("lora.rank_pattern")),
        "lora_alpha_pattern": unless(NOTHING, to("lora.alpha_pattern")),
        "peft_init_lora_weights": _start,
        "chat_template_kwargs": unless(NOTHING, to("prompt.template_kwargs")),
        "eval_max_new_tokens": unless(NOTHING, to("eval.max_tokens")),
        "flex_attention": _flash,
        "eager_attention": _flash,
        "micro_batch_size": to("train.per_device_train_batch_size"),
        "eval_batch_size": to("train.per_device_eval_batch_size"),
        "num_epochs": to("train.num_train_epochs"),
        "optimizer": to("train.extra.optim"),
        "lr_scheduler": to("train.lr_scheduler_type"),
        "xformers_attention": unless(NOTHING, FAST),
        "flash_attention": _flash,
        "sdp_attention": _flash,
        "attn_implementation": _flash,
        "evals_per_epoch": _per_epoch("eval"),
        "saves_per_epoch": _per_epoch("save"),
        "eval_table_size": unless(NOTHING, dropped("evaluation answers the eval turns")),
        "early_stopping_patience": unless(NOTHING, to("train.early_stopping_patience")),
        "plugins": unless(NOTHING, dropped("plugins of axolotl are its own")),
        "group_by_length": dropped("rows of like length share a batch always"),
    },
    defaults={"sequence_len": 512, "micro_batch_size": 1, "num_epochs": 1, "val_set_size": 0, "lr_scheduler": "cosine"},
    finish=as_recorded,
    arguments=("",),
)


def _tune(draft: Draft, old: str, value: Any) -> None:
    reason = "callproof trains LoRA adapters on recorded sessions"
    draft.drop(old, value, reason if value in ("sft", "lora") else f"{reason}; this was another training")


def _bits(draft: Draft, old: str, value: Any) -> None:
    (NF4 if value == 4 else EIGHT_BIT)(draft, old, value)


def _alpha(draft: Draft) -> None:
    rank = draft.values.get("lora.r", 8)
    draft.complete("lora.alpha", 2 * rank, "the old default: twice the rank")
    as_recorded(draft)


FACTORY = System(
    name="LLaMA-Factory",
    signs=(("model_name_or_path", "finetuning_type"), ("stage", "dataset"), ("cutoff_len",)),
    rules={
        **FACTORY_LEFT,
        "model_name_or_path": to("model.base_model"),
        "adapter_name_or_path": unless(NOTHING, to("model.lora_path")),
        "model_revision": to("model.revision"),
        "trust_remote_code": TRUST,
        "stage": _tune,
        "finetuning_type": _tune,
        "lora_rank": to("lora.r"),
        "lora_alpha": to("lora.alpha"),
        "lora_dropout": to("lora.dropout"),
        "lora_target": to("lora.target_modules", targets),
        "additional_target": MODULES,
        "use_rslora": to("lora.use_rslora"),
        "use_dora": DORA,
        "pissa_init": unless(NOTHING, dropped("it changes the base, which vLLM would not")),
        "loraplus_lr_ratio": unless(NOTHING, dropped("all matrices learn at one rate")),
        "dataset": described("data.train"),
        "eval_dataset": described("data.eval"),
        "val_size": SHARE,
        "dataset_dir": dropped("data.train names the source itself"),
        "template": dropped(TEMPLATE),
        "train_on_prompt": unless(NOTHING, dropped(TEMPLATE)),
        "mask_history": unless(NOTHING, dropped(TEMPLATE)),
        "cutoff_len": LENGTH,
        "max_samples": dropped("all sessions are read; cut the file, or convert a part of it"),
        "overwrite_cache": CACHE,
        "preprocessing_num_workers": CACHE,
        "streaming": unless(NOTHING, CACHE),
        "tokenized_path": unless(NOTHING, CACHE),
        "plot_loss": dropped("set train.report_to"),
        "packing": to("train.packing"),
        "neat_packing": to("train.packing"),
        "quantization_bit": unless(NOTHING, _bits),
        "quantization_method": unless((*NOTHING, "bitsandbytes", "bnb"), dropped("nf4 alone is offered")),
        "flash_attn": _flash,
        "enable_liger_kernel": unless(NOTHING, to("train.extra.use_liger_kernel")),
        "do_sample": dropped("evaluation answers the eval turns: see section eval"),
        "disable_gradient_checkpointing": to("train.gradient_checkpointing", lambda value: not value),
        "early_stopping_steps": unless(NOTHING, to("train.early_stopping_patience")),
        "pure_bf16": _typed("bfloat16"),
        "enable_thinking": to("prompt.template_kwargs.enable_thinking"),
        "max_new_tokens": to("eval.max_tokens"),
        "temperature": to("eval.temperature"),
        "hf_hub_token": secret,
        "ms_hub_token": secret,
        "om_hub_token": secret,
        "swanlab_api_key": secret,
        "swanlab_lark_webhook_url": secret,
        "swanlab_lark_secret": secret,
    },
    defaults={
        **HF_DEFAULTS,
        "lora_rank": 8,
        "lora_dropout": 0.0,
        "lora_target": "all",
        "cutoff_len": 2048,
        "disable_gradient_checkpointing": False,
    },
    finish=_alpha,
    arguments=("",),
)


def _split(draft: Draft) -> None:
    """TRL's dataset has two splits, of which `source` took the first."""
    name, train = draft.values.get("data.train", ""), draft.old.get("dataset_train_split", "train")
    dataset, _, split = str(name).removeprefix("hf:").partition(":")
    if split and any(move.note == "--data" for move in draft.moves):
        train = split
    if isinstance(name, str) and name.startswith("hf:"):
        draft.put("data.train", f"hf:{dataset}:{train}", note="dataset_train_split")
        if "dataset_test_split" in draft.old:
            held_out = f"hf:{dataset}:{draft.old['dataset_test_split']}"
            draft.put("data.eval", held_out, NEW, note="dataset_test_split")
    as_recorded(draft)


TRL = System(
    name="TRL",
    signs=(("model_name_or_path", "dataset_name"), ("model_name_or_path", "use_peft"), ("lora_r", "dataset_name")),
    rules={
        "model_name_or_path": to("model.base_model"),
        "model_revision": to("model.revision"),
        "dtype": to("model.dtype", dtype),
        "torch_dtype": to("model.dtype", dtype),
        "trust_remote_code": TRUST,
        "attn_implementation": unless(NOTHING, to("model.attn_implementation")),
        "use_peft": dropped("callproof trains LoRA adapters"),
        "lora_r": to("lora.r"),
        "lora_alpha": to("lora.alpha"),
        "lora_dropout": to("lora.dropout"),
        "lora_target_modules": unless((None,), to("lora.target_modules", targets)),
        "lora_modules_to_save": MODULES,
        "lora_task_type": dropped("adapters are of causal language models"),
        "lora_target_parameters": unless(NOTHING, dropped("target_modules are linear layers")),
        "lora_bias": BIAS,
        "use_rslora": to("lora.use_rslora"),
        "use_dora": DORA,
        "load_in_8bit": EIGHT_BIT,
        "load_in_4bit": NF4,
        "bnb_4bit_quant_type": dropped("4 bits are nf4"),
        "use_bnb_nested_quant": dropped("nf4 is nested always"),
        "bnb_4bit_quant_storage": unless(NOTHING, dropped("is chosen by bitsandbytes")),
        "dataset_name": to("data.train", source),
        "dataset_config": unless(NOTHING, dropped("convert that configuration of the dataset to a file")),
        "datasets": listed("data.train", TRL_DATASET),
        "test_split_size": SHARE,
        "streaming": unless(NOTHING, CACHE),
        "env": dropped("set the variables in the environment or .env"),
        "dataset_train_split": dropped("see data.train"),
        "dataset_test_split": dropped("see data.eval"),
        "dataset_streaming": unless(NOTHING, CACHE),
        "gradient_checkpointing_use_reentrant": unless(
            NOTHING, dropped("set train.extra.gradient_checkpointing_kwargs")
        ),
        "ignore_bias_buffers": unless(NOTHING, dropped("is for old PyTorch")),
    },
    defaults={**TRL_DEFAULTS, "max_length": 1024, "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05},
    finish=_split,
    arguments=("",),
)

OTHERS = (AXOLOTL, FACTORY, TRL)
