"""The loss of supervised tokens, each weighted by what it decides.

Most of what an assistant says in a session is prose and copied values. The tool metrics depend on few tokens: whether
to call, which tool, whether to call again. A small model learns those last unless they weigh more.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import torch

from callproof.calls.formats import Format, ReadCall
from callproof.config import LossWeights
from callproof.errors import UserError

from ..cpu import gathers
from ..rows.encode import IGNORED, Encoder


class TokenWeights:
    """Weights for labels of one encoder's rows.

    Calls are found in the text of a span by the format of the chat template; texts that were met before are remembered,
    since every epoch has the same.

    Raises:
        UserError: the template writes no call that a known format reads.
    """

    def __init__(self, encoder: Encoder, weights: LossWeights) -> None:
        format = encoder.template.format
        if format is None:
            problem = f"the {encoder.template.name} writes no call of a known format, so all tokens weigh alike"
            raise UserError("train.loss_weights", problem, "leave it out, or set model.chat_template to hermes")
        self._encoder, self._weights, self._format = encoder, weights, format
        self._known: dict[tuple[int, ...], list[float]] = {}

    def __call__(self, labels: torch.Tensor) -> torch.Tensor:
        """(rows, tokens) to the same shape, 0 where a label is ignored."""
        weights = torch.zeros(labels.shape)
        for number, row in enumerate(labels.tolist()):
            for start, span in _spans(row):
                weights[number, start : start + len(span)] = torch.tensor(self._of_span(tuple(span)))
        return weights.to(labels.device)

    def _of_span(self, span: tuple[int, ...]) -> list[float]:
        if span not in self._known:
            self._known[span] = self._weigh(list(span))
        return self._known[span]

    def _weigh(self, span: list[int]) -> list[float]:
        text, starts = self._starts(span)
        parts = call_parts(text, self._format)
        weights = [_kind(start, parts, self._weights) for start in starts]
        for place in (0, *(part.end for part in parts)):
            at = next((at for at, start in enumerate(starts) if start >= place), None)
            if at is not None:
                weights[at] = self._weights.decision
        return weights

    def _starts(self, span: list[int]) -> tuple[str, list[int]]:
        """The text of a span, and the character at which each token begins."""
        tokenizer = self._encoder.tokenizer
        text = self._encoder.decode([], span)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        if encoded["input_ids"] == span:
            return text, [start for start, _ in encoded["offset_mapping"]]
        return text, [len(self._encoder.decode([], span[:at])) for at in range(len(span))]


class CallPart(NamedTuple):
    """Characters of one call in a text: it begins, its name ends, it ends."""

    start: int
    name_end: int
    end: int


def call_parts(text: str, format: Format) -> list[CallPart]:
    """The calls of a text, in order; the tags around a call belong to it."""
    parts: list[CallPart] = []
    for block in format.read(text, {}):
        calls = [item for item in block.items if isinstance(item, ReadCall)]
        start = block.start
        for number, item in enumerate(calls, start=1):
            name = text.find(item.call.name, start)
            end = block.end if number == len(calls) else item.end
            parts.append(CallPart(start, name + len(item.call.name), end))
            start = end
    return parts


def _kind(start: int, parts: list[CallPart], weights: LossWeights) -> float:
    part = next((part for part in parts if part.start <= start < part.end), None)
    if part is None:
        return weights.text
    return weights.name if start <= part.name_end else weights.arguments


def _spans(labels: list[int]) -> Iterator[tuple[int, list[int]]]:
    """(place, labels) of each run of labels that are not ignored."""
    at = 0
    for supervised, group in groupby(labels, lambda label: label != IGNORED):
        run = list(group)
        if supervised:
            yield at, run
        at += len(run)


def token_weights(encoder: Encoder, weights: LossWeights) -> TokenWeights | None:
    """The weights of `train.loss_weights`; None where all tokens weigh the same."""
    return None if weights == LossWeights() else TokenWeights(encoder, weights)


def supervised_loss(model: Any, inputs: dict[str, Any], weights: torch.Tensor | None = None) -> torch.Tensor:
    """The sum of the losses (nats) of a batch's supervised tokens, each times its weight.

    Logits are made only where the next token is supervised: in that row, or, where the model cannot take positions by
    row (see `gathers`), in any row of the batch.

    Args:
        model: a causal language model.
        inputs: `input_ids` and `labels`, each (rows, tokens), and whatever else the model takes.
        weights: (rows, tokens) of the labels; None: all weigh 1.
    """
    inputs = {**inputs, "use_cache": False}
    following = inputs.pop("labels")[:, 1:]
    learned = following != IGNORED
    if gathers(model):
        most = max(1, int(learned.sum(1).max()))
        at = learned.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        inputs = {"input_ids": inputs["input_ids"], "supervised": at, "use_cache": False}
    else:
        kept = learned.any(0).nonzero().flatten()
        at = kept.expand(len(learned), -1)
        inputs["logits_to_keep"] = kept
    labels = following.gather(1, at)
    logits = model(**inputs).logits.float().flatten(0, 1)
    losses = torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="none")
    return (losses if weights is None else losses * weights[:, 1:].gather(1, at).flatten()).sum()
