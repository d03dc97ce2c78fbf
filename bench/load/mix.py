"""How requests are shared among models: equally by default, by weight (`car_sales=3,insurance=1`), or `zipf:1.1`.

Under Zipf's law the k-th --model has the weight 1 / k**s. The number of requests of each model is exact up to rounding
down; their order is shuffled with a seed, so that the same command sends the same sequence.
"""

import math
import random
from collections.abc import Mapping, Sequence

from callproof.errors import UserError


def parse_mix(text: str, models: Sequence[str]) -> dict[str, float]:
    """The weight of each model, from `text` as `--mix` has it.

    Raises:
        UserError: `text` is no mix, or does not give every model one weight.
    """
    kind, _, exponent = text.partition(":")
    if kind == "zipf":
        power = _number(exponent, text, least=0.0)
        return {model: place**-power for place, model in enumerate(models, start=1)}
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = part.strip().rpartition("=")
        if not equals or name not in models or name in weights:
            problem = f"expected each --model once ({', '.join(models)}), got {part.strip()!r}"
            raise UserError(f"--mix {text}", problem, _MEND)
        weights[name] = _number(weight, text, least=1e-6)
    if missing := [model for model in models if model not in weights]:
        raise UserError(f"--mix {text}", f"gives no weight to {missing[0]}", _MEND)
    return weights


_MEND = "write it as car_sales=3,insurance=1 or zipf:1.1"


def _number(text: str, mix: str, least: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= 1e6:
        raise UserError(f"--mix {mix}", f"{text!r} is no weight of {least:g} or more", _MEND)
    return value


def shared_out(weights: Mapping[str, float], available: Mapping[str, int], seed: int) -> list[str]:
    """The model of each request: as many requests as the weights and each model's `available` turns allow."""
    scale = min(available[model] / weight for model, weight in weights.items())
    counts = {model: max(1, math.floor(weight * scale + 1e-9)) for model, weight in weights.items()}
    order = [model for model, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(order)
    return order
