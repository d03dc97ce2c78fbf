"""What the loss looks at: weights of supervised tokens by what they decide.

In a session most of what the assistant says is prose and copied values. What a harness scores hangs on few tokens:
whether to call, which tool, whether to call again. A small model learns those last unless they weigh more.
"""

from typing import Any

import torch

from callproof.config import LossWeights
from callproof.errors import UserError
from train.encode import IGNORED

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
        given = self._weights
        weights = torch.where(in_call, given.arguments, given.text)
        weights = torch.where(in_name, given.name, weights)
        return torch.where(decides, given.decision, weights) * (labels != IGNORED)


def token_weights(tokenizer: Any, weights: LossWeights) -> TokenWeights | None:
    """None where all tokens weigh alike."""
    return None if weights == LossWeights() else TokenWeights(tokenizer, weights)


def supervised_only(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a causal model, such that it makes logits only where some row has a token to learn next."""
    following = inputs["labels"][:, 1:]
    kept = (following != IGNORED).any(0).nonzero().flatten()
    labels = following[:, kept]
    return {**inputs, "labels": labels, "shift_labels": labels, "logits_to_keep": kept}


def weighted_loss(model: Any, inputs: dict[str, Any], weights: torch.Tensor, count: Any) -> torch.Tensor:
    """The sum of the weighted losses of a batch over `count`, its supervised tokens where that is None."""
    short = supervised_only({**inputs, "use_cache": False})
    labels = short.pop("labels")
    del short["shift_labels"]
    logits = model(**short).logits
    each = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    total = (each * weights[:, 1:][:, short["logits_to_keep"]].flatten()).sum()
    return total / ((labels != IGNORED).sum() if count is None else count)
