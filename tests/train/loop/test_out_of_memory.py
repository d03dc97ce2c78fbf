"""A training that runs out of memory says so in one line, with the settings that help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from callproof.errors import UserError
from train import train_model
from train.loop.trainer import LogWhereSaved

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]
PETABYTE = 10**15


def no_room_on_the_gpu(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def no_room_in_the_machine(*_: Any, **__: Any) -> None:
    torch.empty(PETABYTE)


@pytest.mark.parametrize(
    ("failure", "train", "said"),
    [
        (
            no_room_on_the_gpu,
            {},
            "GPU memory: 2 rows of up to 4096 tokens, with base and adapter, do not fit; "
            "set train.per_device_train_batch_size: 1 with train.gradient_accumulation_steps: 2, which learns "
            "the same; or set train.gradient_checkpointing: true; or set data.max_context_length below 4096; "
            "callproof train --dry-run --gpu GIB tells what would",
        ),
        (
            no_room_on_the_gpu,
            {"per_device_train_batch_size": 1, "gradient_checkpointing": True},
            "GPU memory: 1 rows of up to 4096 tokens, with base and adapter, do not fit; "
            "set data.max_context_length below 4096; or set model.quantization: nf4; or set lora.r below 16; "
            "callproof train --dry-run --gpu GIB tells what would",
        ),
        (
            no_room_in_the_machine,
            {"per_device_train_batch_size": 1},
            "memory of the machine: 1 rows of up to 4096 tokens, with base and adapter, do not fit; "
            "set train.gradient_checkpointing: true; or set data.max_context_length below 4096; "
            "or set lora.r below 16; callproof train --dry-run --gpu GIB tells what would",
        ),
    ],
)
def test_it_is_one_line_with_three_settings(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, failure: Any, train: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(LogWhereSaved, "on_step_end", failure)
    with pytest.raises(UserError) as caught:
        train_model(small_run(train=train))
    assert str(caught.value) == said


def test_another_error_of_torch_stays_what_it_is(small_run: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(LogWhereSaved, "on_step_end", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        train_model(small_run())
