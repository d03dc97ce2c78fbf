"""Supervised fine-tuning: the recorded answers, with TRL's SFTTrainer and our loss on a CPU or of weighted tokens."""

from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from callproof.config import RunConfig
from callproof.errors import UserError

from ...rows.data import context_length
from ...rows.encode import IGNORED, Encoder, Row
from ..loss import TokenWeights, supervised_loss, token_weights
from .adapting import Adapting
from .method import Learning

SCALES = "loss_scales"


class SupervisedTrainer(Adapting, SFTTrainer):
    """TRL's trainer; `weights`, unless None, and the column `loss_scales` weigh tokens."""

    def __init__(self, weights: TokenWeights | None, **options: Any) -> None:
        self._weights = weights
        super().__init__(**options)
        self.data_collator = scaling(self.data_collator)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch; on a CPU, and with weights, `supervised_loss` in place of TRL's fused loss.

        TRL's fused loss would take a third of a step's time on a CPU. `num_items_in_batch` counts the supervised tokens
        of all processes; their gradients are averaged, so the quotient is multiplied by the number of processes.
        """
        if not (self.args.use_cpu or self._weights or SCALES in inputs):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.count_tokens(inputs)
        labels = inputs["labels"]
        total = supervised_loss(model, inputs, self._weigh(labels, inputs.pop(SCALES, None)))
        if num_items_in_batch is None:
            return total / (labels[:, 1:] != IGNORED).sum()
        return total / num_items_in_batch * self.accelerator.num_processes

    def _weigh(self, labels: torch.Tensor, scales: torch.Tensor | None) -> torch.Tensor | None:
        """The weights of the labels, (rows, tokens); None where all are 1."""
        weights = self._weights(labels) if self._weights else None
        return weights if scales is None else scales if weights is None else weights * scales

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns = list(dict.fromkeys((*(self._signature_columns or ()), SCALES)))


def scaling(collate: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]) -> Any:
    """A collator that pads `loss_scales` too, where rows have them."""

    def collated(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = collate(examples)
        if SCALES in examples[0]:
            scales = torch.zeros(batch["labels"].shape)
            for number, example in enumerate(examples):
                scales[number, : len(example[SCALES])] = torch.tensor(example[SCALES])
            batch[SCALES] = scales
        return batch

    return collated


def _dataset(rows: list[Row], config: RunConfig) -> Dataset:
    columns: dict[str, list[Any]] = {
        "input_ids": [row.input_ids for row in rows],
        "labels": [row.labels for row in rows],
        "length": [len(row.input_ids) for row in rows],
    }
    if any(row.loss_scales for row in rows):
        if config.train.packing:
            problem = "packs rows, but sessions bring a loss_scale, which belongs to a row of its own"
            raise UserError("train.packing", problem, "leave it out, or take the loss_scale out of the sessions")
        columns[SCALES] = [row.loss_scales or [1.0] * len(row.input_ids) for row in rows]
    return Dataset.from_dict(columns)


def _settings(config: RunConfig, longest: int) -> dict[str, Any]:
    packing = config.train.packing
    return {
        "packing": packing,
        "eval_packing": False,
        "max_length": context_length(config) if packing else longest,
        "train_sampling_strategy": "random" if packing else "group_by_length",
    }


def _options(encoder: Encoder, config: RunConfig) -> dict[str, Any]:
    return {"weights": token_weights(encoder, config.train.loss_weights)}


LEARNING = Learning(SFTConfig, SupervisedTrainer, _dataset, _settings, _options)
