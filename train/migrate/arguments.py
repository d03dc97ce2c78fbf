"""Training arguments of transformers and TRL, which most systems pass on: ours by their keys, others as train.extra."""

from typing import Any

from callproof.config import OURS, TrainConfig

from .rules import NOTHING, Draft, Rule, name_of, secret, to, unless

HF_DEFAULTS: dict[str, Any] = {
    "num_train_epochs": 3, "learning_rate": 5e-5, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 1,
    "lr_scheduler_type": "linear", "warmup_ratio": 0.0, "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 42,
    "logging_steps": 500, "save_steps": 500,
}  # fmt: skip
"""Of transformers.TrainingArguments."""
TRL_DEFAULTS = {**HF_DEFAULTS, "learning_rate": 2e-5, "logging_steps": 10, "gradient_checkpointing": True}


def _fp16(draft: Draft, old: str, value: Any) -> None:
    if value is True:
        draft.put("model.dtype", "float16", old, value, "weights in float16; needs CUDA")
    else:
        draft.drop(old, value, "asks for nothing")


def _strategy(kind: str) -> Rule:
    """`eval_strategy` or `save_strategy`: epoch stays, no means 0 steps, steps is what the steps say."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        if value == "epoch":
            draft.put(f"train.{kind}_strategy", "epoch", old, value)
        elif value in ("no", False):
            draft.put(f"train.{kind}_steps", 0, old, value)
        elif value == "steps":
            draft.drop(old, value, f"is what train.{kind}_steps says")
        else:
            draft.drop(old, value, "checkpoints follow train.metric_for_best_model")

    return rule


def _steps(kind: str) -> Rule:
    """Steps count where the strategy is steps."""

    def rule(draft: Draft, old: str, value: Any) -> None:
        prefix = old.removesuffix(f"{kind}_steps")
        names = [f"{prefix}{kind}_strategy", *([f"{prefix}evaluation_strategy"] if kind == "eval" else [])]
        strategy = next((draft.old[name] for name in names if name in draft.old), None)
        if strategy in ("epoch", "no", False, "best") or (kind == "eval" and strategy is None):
            draft.drop(old, value, f"does not count: {kind}_strategy is {strategy or 'no'}")
        else:
            draft.put(f"train.{kind}_steps", value, old, value)

    return rule


def _tracker(draft: Draft, old: str, value: Any) -> None:
    names = value if isinstance(value, list) else [value]
    known = [name for name in names if name in ("wandb", "tensorboard", "trackio")]
    note = f"one tracker a run; of {', '.join(map(str, names))}" if len(names) > 1 or value == "all" else ""
    draft.put("train.report_to", known[0] if known else "none", old, value, note)


def _best(draft: Draft, old: str, value: Any) -> None:
    if value is True:
        draft.put("train.metric_for_best_model", "eval_perplexity", old, value, "orders as the eval loss does")
    else:
        draft.drop(old, value, "asks for nothing")


def _metric(draft: Draft, old: str, value: Any) -> None:
    if value in ("loss", "eval_loss", "perplexity", "eval_perplexity"):
        draft.put("train.metric_for_best_model", "eval_perplexity", old, value, "orders as the eval loss does")
    elif value in ("eval_tool_f1", "eval_turn_exact"):
        draft.put("train.metric_for_best_model", value, old, value)
    else:
        draft.drop(
            old, value, "choose eval_tool_f1, eval_turn_exact or eval_perplexity for train.metric_for_best_model"
        )


LENGTH = to("data.max_context_length", note="longer rows are dropped and counted, not cut")
SPECIAL: dict[str, Rule] = {
    "fp16": _fp16,
    "run_name": to("name", name_of),
    "eval_strategy": _strategy("eval"),
    "evaluation_strategy": _strategy("eval"),
    "save_strategy": _strategy("save"),
    "eval_steps": _steps("eval"),
    "save_steps": _steps("save"),
    "report_to": _tracker,
    "load_best_model_at_end": _best,
    "metric_for_best_model": _metric,
    "max_length": LENGTH,
    "max_seq_length": LENGTH,
    "warmup_steps": to("train.extra.warmup_steps", note="stands above train.warmup_ratio"),
    "optim": to("train.extra.optim"),
    "save_total_limit": unless((None,), to("train.save_total_limit")),
    "bf16": unless((None,), to("train.bf16")),
    "hub_private_repo": unless((None,), to("train.hub_private_repo")),
    "hub_token": secret,
    "push_to_hub_token": secret,
}


def argument(draft: Draft, old: str, value: Any) -> None:
    """Move a training argument; what neither we nor TRL know is found when `train.extra` is checked."""
    leaf = old.rsplit(".", 1)[-1]
    if leaf in SPECIAL:
        SPECIAL[leaf](draft, old, value)
    elif leaf in TrainConfig.model_fields:
        draft.put(f"train.{leaf}", value, old, value)
    elif leaf in OURS:
        draft.drop(old, value, OURS[leaf])
    elif value in NOTHING and value is not False:
        draft.drop(old, value, "asks for nothing")
    else:
        draft.put(f"train.extra.{leaf}", value, old, value, "passed to TRL as it is")
