"""Whether a merged model says what its base with the adapter on says.

Both are given the same rows, in float32 arithmetic, and their next-token distributions are compared where the model
speaks. A merge rounds each weight to bfloat16, so the two cannot agree exactly. How much rounding explains is measured
with the same rows: base and adapter in bfloat16 arithmetic, against themselves in float32. A merge may not move the
distributions further than that.

Measured with models/tiny and the adapter of configs/car_sales.yaml: mean KL divergence of a merge over that of
rounding, on 4 eval sessions and on `TEXTS`. All 28 cases of one matrix left out are beyond the limit. A fault that
changes less than rounding does, as in the merge of an adapter that hardly changes its base, is not noticed.

    right merge                                    0.03     0.08
    adapter scaled by 1.01                         0.6      0.8
    adapter scaled by 1.03                         5.7      5.9
    one of the 28 matrices left out, the least     35       52
    merged into a 4-bit copy of the base (nf4)     118      188
    not merged at all                              84,000   3,600
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ..rows.encode import IGNORED, Row

LIMIT = 1.0
MAX_POSITIONS = 128
TEXTS = (
    "The museum is open from Tuesday to Sunday, and on Thursdays until eight in the evening. Tickets cost 18 francs.",
    "To repot a plant, choose a pot two fingers wider than the old one, fill it with fresh soil, and water it well.",
    'Send {"name": "book_table", "arguments": {"guests": 4, "date": "2026-03-14", "time": "19:30"}} and wait for it.',
    "Dear Ms Keller, thank you for your letter of 2 May. We have checked the invoice and found that you are right.",
)


@dataclass(frozen=True)
class Agreement:
    """How far the logits of two models lie apart, over `positions` next-token distributions.

    Attributes:
        max_abs, mean_abs: differences of logits.
        kl: mean Kullback-Leibler divergence, nats a position.
        equal_argmax: share of positions with the same most likely token.
    """

    positions: int
    max_abs: float
    mean_abs: float
    kl: float
    equal_argmax: float

    def figures(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)


def neutral_rows(tokenizer: Any) -> list[Row]:
    """`TEXTS` as rows in which every token is supervised."""
    rows = ((tokenizer(text, add_special_tokens=False)["input_ids"], text) for text in TEXTS)
    return [Row(ids, list(ids), text) for ids, text in rows]


def spoken_logits(model: Any, rows: Iterable[Row]) -> list[torch.Tensor]:
    """For each row, float32 logits (positions, vocabulary) that predict its first supervised tokens, on the CPU."""
    return list(_logits(model.to(_device()).eval(), rows))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _logits(model: Any, rows: Iterable[Row]) -> Iterator[torch.Tensor]:
    for row in rows:
        spoken = [at - 1 for at, label in enumerate(row.labels) if at and label != IGNORED][:MAX_POSITIONS]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row.input_ids], device=model.device)).logits[0, spoken]
        yield logits.float().cpu()


def agreement(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> Agreement:
    """Compare what `spoken_logits` gave for two models; the divergence is of `theirs` from `ours`."""
    apart = [(one - other).abs() for one, other in zip(ours, theirs, strict=True)]
    divergence = [_divergence(one, other) for one, other in zip(ours, theirs, strict=True)]
    equal = [one.argmax(-1) == other.argmax(-1) for one, other in zip(ours, theirs, strict=True)]
    return Agreement(
        positions=sum(map(len, equal)),
        max_abs=max(difference.max().item() for difference in apart),
        mean_abs=torch.cat([difference.mean(-1) for difference in apart]).mean().item(),
        kl=torch.cat(divergence).mean().item(),
        equal_argmax=torch.cat(equal).float().mean().item(),
    )


def _divergence(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    one, other = ours.double().log_softmax(-1), theirs.double().log_softmax(-1)
    return (one.exp() * (one - other)).sum(-1)


def explained(merged: Agreement, rounding: Agreement) -> bool:
    """Whether bfloat16 rounding explains what is between a merged model and its base with the adapter on."""
    return merged.kl <= LIMIT * rounding.kl
