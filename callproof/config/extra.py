"""`train.extra`: fields of TRL's `SFTConfig` that the schema does not name, and which of them are ours to set.

Only the form is checked here, without torch: a mapping of JSON values. Names and types are checked by the installed TRL
itself, before training (`train.loop.arguments`).
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

Schedule = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "cosine_with_min_lr",
    "warmup_stable_decay",
]
Attention = Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"]
"""Names that transformers knows."""

_ROWS = "rows are encoded, masked and packed by callproof; see section data"
_EVALUATION = "evaluation is callproof's own, of generated answers and token-weighted loss"
_CHECKPOINTS = "--resume goes on from whole checkpoints under <output_dir>/checkpoints"

OURS = {
    **dict.fromkeys(("fp16", "fp16_full_eval", "bf16_full_eval"), "set model.dtype and train.bf16"),
    **dict.fromkeys(("load_best_model_at_end", "greater_is_better"), "set train.metric_for_best_model"),
    **dict.fromkeys(("max_length", "max_seq_length"), "set data.max_context_length"),
    **dict.fromkeys(("use_cpu", "no_cuda", "local_rank"), "the hardware and the launcher decide"),
    **dict.fromkeys(("do_train", "do_eval", "do_predict"), "the command says what is done"),
    **dict.fromkeys(("dataset_text_field", "dataset_kwargs", "dataset_num_proc", "truncation_mode"), _ROWS),
    **dict.fromkeys(("completion_only_loss", "assistant_only_loss", "remove_unused_columns", "label_names"), _ROWS),
    **dict.fromkeys(("train_sampling_strategy", "group_by_length", "length_column_name", "shuffle_dataset"), _ROWS),
    **dict.fromkeys(("eval_packing", "padding_free"), _ROWS),
    **dict.fromkeys(("loss_type", "label_smoothing_factor"), "the loss is callproof's own; see train.loss_weights"),
    "average_tokens_across_devices": "the loss is a mean over the tokens of all processes",
    **dict.fromkeys(("prediction_loss_only", "eval_do_concat_batches", "eval_use_gather_object"), _EVALUATION),
    **dict.fromkeys(("eval_accumulation_steps", "include_for_metrics", "batch_eval_metrics"), _EVALUATION),
    **dict.fromkeys(("save_only_model", "save_on_each_node", "enable_jit_checkpoint"), _CHECKPOINTS),
    "resume_from_checkpoint": "give --resume",
    "overwrite_output_dir": "a run without --resume begins anew",
    "restore_callback_states_from_checkpoint": "set train.early_stopping_patience",
    **dict.fromkeys(("hub_strategy", "hub_always_push"), "the adapter is uploaded once, in the end"),
    "hub_revision": "the adapter is uploaded to the main branch",
    **dict.fromkeys(("hub_token", "push_to_hub_token"), "set HF_TOKEN in the environment or .env"),
    "run_name": "set name",
    "model_init_kwargs": "set model.dtype, model.attn_implementation or model.revision",
    "trust_remote_code": "set model.trust_remote_code",
    "chat_template_path": "set model.chat_template",
    **dict.fromkeys(("eos_token", "pad_token"), "the tokenizer and the chat template decide"),
    **dict.fromkeys(("log_level", "log_level_replica"), "give --log-level"),
}
"""Field of SFTConfig or TrainingArguments -> why `train.extra` refuses it, and what to set in its place."""


def check_extra(extra: Mapping[str, Any], ours: Collection[str]) -> None:
    """Raise a ValueError that names every field of `train.extra` that callproof sets itself, or that is no JSON value.

    Args:
        ours: the keys of section train.
    """
    problems = [f"{name} is refused: {OURS[name]}" for name in extra if name in OURS]
    problems += [f"{name} is a key of section train: set train.{name}" for name in extra if name in ours]
    problems += [f"{name}: expected text, a number, a list or a mapping" for name in extra if not _is_json(extra[name])]
    if problems:
        raise ValueError("; ".join(problems))


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float)
