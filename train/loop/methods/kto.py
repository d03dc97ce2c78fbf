"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024): recorded answers are desirable, rejected ones are not.

The reference is the base, or the adapter of `model.lora_path` as it began.
"""

import random
from typing import Any

from datasets import Dataset
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from callproof.config import RunConfig

from ...rows.encode import Row
from ...rows.preferences import prompt_and_answer
from .method import Learning
from .preferring import Preferring, of_both


class VerdictTrainer(Preferring, KTOTrainer):
    """TRL's trainer on ready answers with their verdicts."""

    columns = ("prompt_ids", "completion_ids", "KL_completion_ids", "label")


def _dataset(rows: list[Row], config: RunConfig) -> Dataset:
    """Answers in a drawn order, each with the answer of its neighbour in the batch.

    TRL estimates how far the model is from the reference by answers to other prompts, which must be those of the same
    batch, so that batches are taken in order.
    """
    drawn = random.Random(config.train.seed).sample(rows, len(rows))
    prompts, answers = map(list, zip(*map(prompt_and_answer, drawn), strict=True))
    size = config.train.per_device_train_batch_size
    batches = [answers[at : at + size] for at in range(0, len(answers), size)]
    turned = [answer for batch in batches for answer in (*batch[-1:], *batch[:-1])]
    verdicts = [row.right for row in drawn]
    return Dataset.from_dict(dict(zip(VerdictTrainer.columns, (prompts, answers, turned, verdicts), strict=True)))


def _settings(config: RunConfig, longest: int) -> dict[str, Any]:
    return {**of_both(config, longest), "train_sampling_strategy": "sequential"}


LEARNING = Learning(KTOConfig, VerdictTrainer, _dataset, _settings)
