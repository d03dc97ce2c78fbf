"""Out of memory as one line: what did not fit, and the three settings that help most."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from callproof.config import RunConfig
from callproof.errors import UserError

from ..rows.data import context_length

_CPU = ("can't allocate memory", "not enough memory")


@contextmanager
def one_line(config: RunConfig) -> Iterator[None]:
    """Raise a UserError where the block runs out of the memory of a GPU or of the machine."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        on_cpu = isinstance(error, MemoryError) or any(words in str(error) for words in _CPU)
        if not (on_cpu or isinstance(error, torch.OutOfMemoryError)):
            raise
        rows, tokens = config.train.per_device_train_batch_size, context_length(config)
        problem = f"{rows} rows of up to {tokens} tokens, with base and adapter, do not fit"
        estimate = "callproof train --dry-run --gpu GIB tells what would"
        where = "memory of the machine" if on_cpu else "GPU memory"
        raise UserError(where, problem, f"{'; or '.join(_ways(config, on_cpu)[:3])}; {estimate}") from None


def _ways(config: RunConfig, on_cpu: bool) -> list[str]:
    """What makes the training smaller, what costs least first; at least three."""
    train, ways = config.train, list[str]()
    size, steps = train.per_device_train_batch_size, train.gradient_accumulation_steps
    if size > 1:
        now = f"train.per_device_train_batch_size: {size // 2} with train.gradient_accumulation_steps: {2 * steps}"
        ways.append(f"set {now}, which learns the same")
    if not train.gradient_checkpointing:
        ways.append("set train.gradient_checkpointing: true")
    ways.append(f"set data.max_context_length below {context_length(config)}")
    if config.model.quantization == "none" and not on_cpu:
        ways.append("set model.quantization: nf4")
    return [*ways, f"set lora.r below {config.lora.r}", "choose a smaller base"]
