"""Evaluation of the model in training: token-weighted loss on rows, and tool metrics on generated answers.

Answers are generated greedily from the prompts that the server would make, and judged by `callproof.scoring.outcomes`
and `callproof.scoring.metrics`, as `evaluate` judges a server's. Processes share the work, and each gets all figures.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from accelerate.utils import gather_object
from transformers import GenerationConfig

from callproof.console import Steps
from callproof.scoring import Answer, Outcome, Tally, in_time, judge, summarise
from callproof.turns import Turn, catalog_of

from ..rows.encode import Encoder, Row
from .loss import supervised_loss

FIGURES = {
    "tool_f1": "name_f1",
    "turn_exact": "turn_exact",
    "arg_exact": "arg_exact",
    "parse_rate": "parse_rate",
    "schema_valid": "schema_valid",
    "hallucination_rate": "hallucination_rate",
    "false_abstention": "false_abstention",
}
"""Figure -> metric of callproof.scoring.metrics."""

Item = TypeVar("Item")
Answers = dict[str, tuple[str, str]]


class Evaluator:
    """Evaluates a trainer's model on the same rows and turns again and again.

    Args:
        encoder: of the base model, see `train.rows.encode`.
        rows: for loss and perplexity.
        turns: to be answered; without any, there are only loss and perplexity.
        max_tokens: of an answer.
        batch_size: rows or prompts at a time, in each process.
    """

    def __init__(
        self, encoder: Encoder, rows: Sequence[Row], turns: Sequence[Turn], max_tokens: int, batch_size: int
    ) -> None:
        self._encoder, self._max_tokens, self._batch_size = encoder, max_tokens, batch_size
        self.rows = sorted(rows, key=lambda row: len(row.input_ids))
        self._turns = {turn.turn_id: turn for turn in turns}
        written = encoder.template.format
        calls_in_text = any(turn.unsent_tools for turn in turns)
        self._format = "hermes" if calls_in_text or written is None else written.name

    @property
    def turns(self) -> int:
        return len(self._turns)

    def figures(self, trainer: Any) -> dict[str, float]:
        """`loss` (nats a supervised token), `perplexity` and those of `FIGURES` that are defined."""
        loss = self.loss(trainer)
        if not self._turns:
            return {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        metrics = summarise(Tally.of(self._outcomes(trainer)))
        tools = {name: metrics[metric].value for name, metric in FIGURES.items()}
        defined = {name: value for name, value in tools.items() if value is not None}
        return {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), **defined}

    def loss(self, trainer: Any) -> float:
        """Mean cross-entropy (nats a supervised token) over all rows."""
        trainer.model.eval()
        total = count = 0.0
        for rows, counted in _share(_chunks(self.rows, self._batch_size), trainer.accelerator):
            batch = trainer.collated(rows)
            with torch.no_grad(), trainer.compute_loss_context_manager():
                loss = supervised_loss(trainer.model, trainer._prepare_inputs(batch)).item()
            total += loss * counted
            count += sum(row.supervised for row in rows) * counted
        if trainer.accelerator.num_processes > 1:
            total, count = map(sum, zip(*gather_object([(total, count)]), strict=True))
        return total / count

    def _outcomes(self, trainer: Any) -> list[Outcome]:
        answers = self.answers(trainer)
        return [
            in_time(
                lambda answer, catalog, turn=turn: judge(turn, answer, "training", catalog, format=self._format),
                Answer(text=answers[name][0], finish_reason=answers[name][1]),
                catalog_of(turn),
            )
            for name, turn in self._turns.items()
        ]

    def answers(self, trainer: Any) -> Answers:
        """Turn id -> text and finish reason of the greedy answer, of all turns in every process."""
        trainer.model.eval()
        prompts = sorted(
            ((self._prompt(turn), name) for name, turn in self._turns.items()), key=lambda prompt: len(prompt[0])
        )
        shared = _share(_chunks(prompts, self._batch_size), trainer.accelerator)
        answers: Answers = {}
        with _generating(trainer.accelerator.unwrap_model(trainer.model), self._generation()) as model:
            for batch, _ in _reported(shared, trainer.is_world_process_zero()):
                texts = self._generate(trainer, model, [ids for ids, _ in batch])
                answers |= dict(zip((name for _, name in batch), texts, strict=True))
        if trainer.accelerator.num_processes == 1:
            return answers
        return dict(gather_object(list(answers.items())))

    def _prompt(self, turn: Turn) -> list[int]:
        text = self._encoder.prompt(turn)
        return self._encoder.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _generation(self) -> GenerationConfig:
        tokenizer = self._encoder.tokenizer
        return GenerationConfig(
            max_new_tokens=self._max_tokens,
            do_sample=False,
            use_cache=True,
            eos_token_id=sorted(self._encoder.template.ends),
            pad_token_id=tokenizer.pad_token_id,
        )

    def _generate(self, trainer: Any, model: Any, prompts: list[list[int]]) -> list[tuple[str, str]]:
        """Text and finish reason for each prompt; padded on the left, so that all answers begin in one column."""
        longest, pad = max(map(len, prompts)), self._encoder.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        device = trainer.accelerator.device
        with torch.no_grad(), trainer.accelerator.autocast():
            output = model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                synced_gpus=trainer.sharded,
            )
        answers = zip(prompts, output[:, longest:].tolist(), strict=True)
        return [self._decode(prompt, tokens) for prompt, tokens in answers]

    def _decode(self, prompt: list[int], tokens: list[int]) -> tuple[str, str]:
        """Text and finish reason; the tags of calls stay in the text where the tokenizer marks them special."""
        template = self._encoder.template
        end = next((at for at, token in enumerate(tokens) if token in template.ends), None)
        text = self._encoder.decode(prompt, tokens[:end], skip_special_tokens=not template.special_tags)
        return text, "length" if end is None else "stop"


@contextmanager
def _generating(model: Any, config: GenerationConfig) -> Iterator[Any]:
    """The model with `config` in place of the base's own generation config, whose sampling must not interfere."""
    base = model.get_base_model()
    own, base.generation_config = base.generation_config, config
    try:
        yield model
    finally:
        base.generation_config = own


def _chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _reported(batches: Sequence[Item], main_process: bool) -> Iterator[Item]:
    """The batches as they come, with the progress of the main process on stderr."""
    if not main_process:
        yield from batches
        return
    with Steps("answering eval prompts", len(batches), lambda done, total: f"batch {done} of {total}") as steps:
        for batch in batches:
            yield batch
            steps.advance()


def _share(batches: list[Sequence[Item]], accelerator: Any) -> list[tuple[Sequence[Item], bool]]:
    """The batches of this process, each with whether its figures count.

    A forward pass of a sharded model is work of all processes together, so every process must get the same number of
    batches: a process that is short of one repeats a batch of another, without counting it.
    """
    processes, mine = accelerator.num_processes, accelerator.process_index
    short = -len(batches) % processes
    padded = [(batch, True) for batch in batches] + [(batches[0], False)] * short
    return padded[mine::processes]
