"""The loss of supervised tokens, each weighted by what it decides.

Most of what an assistant says in a session is prose and copied values. The tool metrics depend on few tokens: whether
to call, which tool, whether to call again. A small model learns those last unless they weigh more.
"""

from typing import Any

import torch

from callproof.config import LossWeights
from callproof.errors import UserError

from ..cpu import gathers
from ..rows.encode import IGNORED

OPENS, CLOSES = "<tool_call>", "</tool_call>"


class TokenWeights:
    """Weights for labels of one tokenizer's tokens.

    Raises:
        UserError: the marks of a call are no tokens of their own, so that it cannot be told where one begins.
    """

    def __init__(self, tokenizer: Any, weights: LossWeights) -> None:
        known = tokenizer.get_vocab()
        if not {OPENS, CLOSES} <= known.keys():
            problem = f"the base has no tokens of their own for {OPENS} and {CLOSES}, so all weigh alike"
            raise UserError("train.loss_weights", problem, "leave it out")
        self._weights, self._opens, self._closes = weights, known[OPENS], known[CLOSES]
        self._comma = torch.zeros(1 + max(known.values()), dtype=torch.bool)
        self._comma[[token for piece, token in known.items() if "," in piece]] = True

    def __call__(self, labels: torch.Tensor) -> torch.Tensor:
        """(rows, tokens) to the same shape, 0 where a label is ignored; a call's name ends with its first comma."""
        before = torch.cat([labels.new_full((len(labels), 1), IGNORED), labels[:, :-1]], dim=1)
        opens = labels == self._opens
        commas = self._comma.to(labels.device)[before.clamp(min=0)].cumsum(1)
        in_call = opens.cumsum(1) > (before == self._closes).cumsum(1)
        in_name = in_call & (commas == torch.where(opens, commas, 0).cummax(1).values)
        decides = (before == IGNORED) | (before == self._closes)
        kinds = self._weights
        weights = torch.where(in_call, kinds.arguments, kinds.text)
        weights = torch.where(in_name, kinds.name, weights)
        return torch.where(decides, kinds.decision, weights) * (labels != IGNORED)


def token_weights(tokenizer: Any, weights: LossWeights) -> TokenWeights | None:
    """The weights of `train.loss_weights`; None where all tokens weigh the same."""
    return None if weights == LossWeights() else TokenWeights(tokenizer, weights)


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
