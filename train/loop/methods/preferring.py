"""What the trainers of TRL that learn from right and wrong answers are given beside: rows that are ready."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from callproof.config import RunConfig

from ...rows.encode import Row
from .adapting import Adapting

REFERENCE = "ref"
"""TRL's name of the copy of an adapter as it began."""


class Preferring(Adapting):
    """For a trainer of TRL that would otherwise template and tokenise; `columns` are those of its collator."""

    columns: tuple[str, ...] = ()

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:  # noqa: ARG002
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = [*self.columns, "length", "input_ids", "labels"]

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save a checkpoint without the reference: beside it, transformers would not load the adapter again.

        A resumed run makes it anew of `model.lora_path`.
        """
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            shutil.rmtree(Path(output_dir or self.args.output_dir) / REFERENCE, ignore_errors=True)

    def collated(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Token rows as a batch with labels, padded."""
        collator = DataCollatorForLanguageModeling(self.processing_class.pad_token_id)
        return collator([{"input_ids": row.input_ids, "labels": row.labels} for row in rows])


def of_both(config: RunConfig, longest: int) -> dict[str, Any]:
    """Arguments of both methods: no row is cut."""
    beta = config.train.beta
    return {"max_length": longest, **({} if beta is None else {"beta": beta})}
