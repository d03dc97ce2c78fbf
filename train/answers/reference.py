"""What base and adapter say in transformers, as a reference for a server that serves them (`callproof serve explain`).

Everything is computed in float32, the adapter with the strength that the manifest of its training records, whatever its
`adapter_config.json` says now. The server's own tokens are judged too: at which strength of the adapter transformers
gives them the log-probabilities that the server reported.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import explain, read_jsonl, read_object
from callproof.turns import Fit, Greedy, Reference, ReferenceAnswers, ServedAnswers

from ..adapter.adapters import MEND, SavedAdapter, find_adapter, load_with_adapter
from ..rows.data import from_pretrained, load_encoder
from ..rows.prompts import eval_prompts

FACTORS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
REFINEMENTS = 5
"""How often the distance between the best factor and its neighbours is halved."""


def read_answers(path: Path) -> list[ServedAnswers]:
    """The answers of a server, a turn a line; raises a UserError that names the line."""
    answers = []
    for number, value in read_jsonl(path):
        try:
            answers.append(ServedAnswers.model_validate(value))
        except ValidationError as error:
            raise UserError(f"{path}:{number}", explain(error), "write it with `callproof serve explain`") from None
    if not answers:
        raise UserError(path, "holds no answers", "write it with `callproof serve explain`")
    return answers


def reference(config: RunConfig, answers: Sequence[ServedAnswers], with_adapter: bool = True) -> Reference:
    """What transformers says to the turns of these answers, as long as the server's longest; see `Reference`.

    Raises:
        UserError: base or adapter cannot be loaded, or a turn is none of the configuration's eval turns.
    """
    encoder = load_encoder(config.model)
    prompts = _prompts(config, encoder, [answer.turn_id for answer in answers])
    limit = max(len(said.tokens) for answer in answers for said in (answer.base, answer.adapter))
    adapter = find_adapter(config.adapter_dir, config) if with_adapter else None
    loaded = from_pretrained(AutoModelForCausalLM, config.model, dtype=torch.float32).eval()
    ends = frozenset(encoder.template.ends)
    base = [greedy(loaded, prompt, ends, limit) for prompt in prompts]
    merged, fits = _with_adapter(adapter, answers, prompts, ends, limit) if adapter else ([None] * len(base), ())
    rows = zip(answers, prompts, base, merged, strict=True)
    turns = (
        ReferenceAnswers(turn_id=answer.turn_id, prompt=tuple(prompt), base=said, merged=other)
        for answer, prompt, said, other in rows
    )
    return Reference(turns=tuple(turns), fits=fits)


def _prompts(config: RunConfig, encoder: Any, turn_ids: Sequence[str]) -> list[list[int]]:
    """The prompts of these turns, as training encodes them."""
    wanted, prompts = set(turn_ids), dict[str, list[int]]()
    for prompt in eval_prompts(config, encoder):
        if prompt.turn_id in wanted:
            prompts[prompt.turn_id] = list(prompt.input_ids)
        if len(prompts) == len(wanted):
            return [prompts[turn_id] for turn_id in turn_ids]
    problem = f"{min(wanted - set(prompts))!r} is none of its eval turns"
    raise UserError(config.data.source("eval"), problem, "ask the turns of this configuration")


def _with_adapter(
    adapter: SavedAdapter,
    answers: Sequence[ServedAnswers],
    prompts: list[list[int]],
    ends: frozenset[int],
    limit: int,
) -> tuple[list[Greedy], tuple[Fit, ...]]:
    model = load_with_adapter(adapter, torch.float32)
    strength = _Strength(model, trained_strength(adapter))
    fits = fitted(strength, answers, prompts)
    strength.set(1.0)
    whole = model.merge_and_unload()
    return [greedy(whole, prompt, ends, limit) for prompt in prompts], fits


class _Strength:
    """Applies an adapter at a multiple of the strength that it was trained with."""

    def __init__(self, model: Any, trained: float) -> None:
        self.model, self._trained = model, trained
        scalings = (getattr(module, "scaling", None) for module in model.modules())
        self._scalings = [(scaling, dict(scaling)) for scaling in scalings if isinstance(scaling, dict)]

    def set(self, factor: float) -> None:
        for scaling, saved in self._scalings:
            scaling.update({name: value * self._trained * factor for name, value in saved.items()})


def trained_strength(adapter: SavedAdapter) -> float:
    """The strength of the training over that of the `adapter_config.json`; 1 where no manifest tells it."""
    manifest = adapter.folder.parent / "manifest.json"
    if not manifest.is_file():
        return 1.0
    try:
        lora = read_object(manifest, MEND)["config"]["lora"]
        trained = _strength(lora["alpha"], lora["r"], bool(lora.get("use_rslora")))
    except (LookupError, TypeError, ValueError):
        raise UserError(manifest, "does not say r and alpha of section lora", "train again") from None
    saved = read_object(adapter.folder / "adapter_config.json", MEND)
    return trained / _strength(saved["lora_alpha"], saved["r"], bool(saved.get("use_rslora")))


def _strength(alpha: float, rank: int, rank_stabilised: bool) -> float:
    return alpha / (math.sqrt(rank) if rank_stabilised else rank)


def fitted(strength: _Strength, answers: Sequence[ServedAnswers], prompts: list[list[int]]) -> tuple[Fit, ...]:
    """The deviation of the server's answers at each of FACTORS, and at closer ones around the best."""

    def deviation(factor: float) -> float:
        strength.set(factor)
        distances = [
            abs(ours - theirs)
            for answer, prompt in zip(answers, prompts, strict=True)
            for ours, theirs in zip(
                logprobs(strength.model, prompt, answer.adapter.tokens), answer.adapter.logprobs, strict=True
            )
        ]
        return sum(distances) / len(distances)

    return tuple(Fit(factor=factor, deviation=value) for factor, value in sorted(_descended(deviation).items()))


def _descended(deviation: Callable[[float], float]) -> dict[float, float]:
    """The deviation at each of FACTORS, and at points between the best and its neighbours, halved again and again."""
    values = {factor: deviation(factor) for factor in FACTORS}
    best = min(values, key=values.__getitem__)
    step = min(abs(best - factor) for factor in FACTORS if factor != best) / 2
    for _ in range(REFINEMENTS):
        for factor in (best - step, best + step):
            if factor > 0 and factor not in values:
                values[factor] = deviation(factor)
        best, step = min(values, key=values.__getitem__), step / 2
    return values


@torch.inference_mode()
def logprobs(model: Any, prompt: list[int], tokens: Sequence[int]) -> list[float]:
    """The log-probability of each of these tokens, in nats, after the prompt and those before it."""
    ids = torch.tensor([[*prompt, *tokens]])
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float().log_softmax(-1)
    return logits.gather(1, torch.tensor(tokens)[:, None])[:, 0].tolist()


@torch.inference_mode()
def greedy(model: Any, prompt: list[int], ends: frozenset[int], limit: int) -> Greedy:
    """The most likely token again and again, until one of `ends` has come, or `limit` tokens."""
    steps = list(_steps(model, prompt, ends, limit))
    tokens, values, leads = zip(*steps, strict=True)
    return Greedy(tokens=tokens, logprobs=values, leads=leads)


def _steps(model: Any, prompt: list[int], ends: frozenset[int], limit: int) -> Iterator[tuple[int, float, float]]:
    ids, cache = torch.tensor([prompt]), None
    for _ in range(limit):
        output = model(input_ids=ids, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        best, token = output.logits[0, -1].float().log_softmax(-1).topk(2)
        yield int(token[0]), float(best[0]), float(best[0] - best[1])
        if int(token[0]) in ends:
            return
        ids = token[:1][None]
