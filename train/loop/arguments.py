"""The arguments of TRL's trainer: what the configuration names or implies, and the rest as `train.extra`."""

import dataclasses
from difflib import get_close_matches
from typing import Any, get_type_hints

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError

from callproof.config import RunConfig, TrainConfig
from callproof.errors import UserError
from callproof.records import explain

from ..adapter.model import use_bf16
from .methods import learning

WHERE = "train.extra"


def check_extra(config: RunConfig) -> None:
    """Check `train.extra` by name and type against the installed TRL, and let TRL itself look at the whole.

    Raises:
        UserError: it names all fields that TRL does not have, or the first value that does not fit.
    """
    extra = config.train.extra
    if not extra:
        return
    kind = learning(config.train.method).arguments
    _check_names(extra, kind)
    hints = get_type_hints(kind)
    for name, value in extra.items():
        try:
            TypeAdapter(hints[name], config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
        except ValidationError as error:
            problem = f"expected {_spelled(hints[name])}, got {str(value)[:80]!r} ({explain(error)})"
            raise UserError(f"{WHERE}.{name}", problem, "correct the value") from None
        if isinstance(value, bool) and not {bool, Any} & set(_members(hints[name])):
            raise UserError(f"{WHERE}.{name}", f"expected {_spelled(hints[name])}, got {value}", "correct the value")
    arguments(config, torch.cuda.is_available(), 1)


def _check_names(extra: dict[str, Any], kind: Any) -> None:
    fields = [field.name for field in dataclasses.fields(kind) if field.init]
    unknown = [name for name in extra if name not in fields]
    if unknown:
        near = {name: get_close_matches(name, fields, 1) for name in unknown}
        named = ", ".join(f"{name} (did you mean {near[name][0]}?)" if near[name] else name for name in unknown)
        raise UserError(WHERE, f"TRL's {kind.__name__} has no {named}", "correct the names, or leave them out")


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the type alone."""
    return getattr(hint, "__args__", ()) if "Union" in type(hint).__name__ else (hint,)


def _spelled(hint: Any) -> str:
    return " or ".join(
        "null" if kind is type(None) else getattr(kind, "__name__", str(kind)) for kind in _members(hint)
    )


def arguments(config: RunConfig, on_gpu: bool, longest: int) -> Any:
    """TRL's arguments of a run.

    Args:
        longest: tokens of the longest row.

    Raises:
        UserError: TRL refuses what `train.extra` says.
    """
    how = learning(config.train.method)
    named = {**_named(config, on_gpu), **how.settings(config, longest), **_rhythm(config.train)}
    try:
        return how.arguments(**{**named, **config.train.extra})
    except (ValueError, TypeError, ImportError, RuntimeError, OSError) as error:
        if not config.train.extra:
            raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(WHERE, f"TRL refuses it ({reason})", "correct it, or leave it out") from None


def _named(config: RunConfig, on_gpu: bool) -> dict[str, Any]:
    settings = config.train
    return {
        "output_dir": str(config.output_dir / "checkpoints"),
        "run_name": config.name,
        "seed": settings.seed,
        "num_train_epochs": settings.num_train_epochs,
        "max_steps": settings.max_steps,
        "per_device_train_batch_size": settings.per_device_train_batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "warmup_steps": settings.warmup_ratio,
        "adam_beta2": settings.adam_beta2,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "bf16": use_bf16(config, on_gpu),
        "fp16": on_gpu and config.model.dtype == "float16",
        "use_cpu": not on_gpu,
        "logging_steps": settings.logging_steps,
        "report_to": settings.report_to,
        "dataloader_pin_memory": on_gpu,
    }


def _rhythm(settings: TrainConfig) -> dict[str, Any]:
    """When to save and to evaluate, and which metric decides on the best step."""
    best = settings.metric_for_best_model
    rhythm: dict[str, Any] = {
        "save_total_limit": settings.save_total_limit,
        "restore_callback_states_from_checkpoint": settings.early_stopping_patience is not None,
        "load_best_model_at_end": best is not None,
        "metric_for_best_model": best,
        "greater_is_better": best != "eval_perplexity" if best else None,
    }
    return {**rhythm, **_evaluating(settings), **_saving(settings)}


def _evaluating(settings: TrainConfig) -> dict[str, Any]:
    if settings.eval_strategy == "epoch":
        return {"eval_strategy": "epoch"}
    return {"eval_strategy": "steps", "eval_steps": settings.eval_steps} if settings.eval_steps else {}


def _saving(settings: TrainConfig) -> dict[str, Any]:
    """Checkpoints as `save_strategy` and `save_steps` say; by default a third of the run, or with each evaluation."""
    if settings.save_strategy == "epoch" or (settings.metric_for_best_model and settings.eval_strategy == "epoch"):
        return {"save_strategy": "epoch"}
    best = settings.metric_for_best_model is not None
    steps = settings.save_steps if settings.save_steps is not None else settings.eval_steps if best else 1 / 3
    return {"save_strategy": "steps", "save_steps": steps} if steps else {"save_strategy": "no"}
