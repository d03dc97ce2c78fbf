"""Direct preference optimisation (Rafailov et al. 2023): the recorded answer against a rejected one, in pairs.

The reference is the base, or the adapter of `model.lora_path` as it began.
"""

from typing import Any

from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from callproof.config import RunConfig

from ...rows.encode import Row
from ...rows.preferences import prompt_and_answer
from .method import Learning
from .preferring import Preferring, of_both


class PairTrainer(Preferring, DPOTrainer):
    """TRL's trainer on ready pairs."""

    columns = ("prompt_ids", "chosen_ids", "rejected_ids")


def _dataset(rows: list[Row], _: RunConfig) -> Dataset:
    """Pairs, of rows that alternate; `length`: of both answers with their prompts."""
    both = zip(rows[::2], rows[1::2], strict=True)
    pairs = [(*prompt_and_answer(right), prompt_and_answer(wrong)[1]) for right, wrong in both]
    columns = dict(zip(PairTrainer.columns, map(list, zip(*pairs, strict=True)), strict=True))
    lengths = [2 * len(prompt) + len(chosen) + len(rejected) for prompt, chosen, rejected in pairs]
    return Dataset.from_dict({**columns, "length": lengths})


def _settings(config: RunConfig, longest: int) -> dict[str, Any]:
    return {**of_both(config, longest), "train_sampling_strategy": "group_by_length"}


LEARNING = Learning(DPOConfig, PairTrainer, _dataset, _settings)
