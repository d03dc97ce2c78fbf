"""Make the embedded base model `models/tiny` from nothing: tokenizer, random weights, curriculum.

    callproof train base --out models/tiny                       from nothing
    callproof train base --from models/tiny --out models/tiny    a later pass, with the tokenizer of the first

The curriculum has stages: one request and one call; many small decisions among plain tools; more tools, parameters and
turns; full catalogs with a system prompt. At first all tokens carry loss: the model learns to copy from the names
that recur in a catalog. Then tokens that decide (whether to call, which tool, whether to call again) weigh more than
copied ones, which would otherwise dominate the loss. With Muon on the matrices the model copies after 350 small steps;
with AdamW alone it did not yet.
"""

import copy
import random
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from callproof.config import LossWeights
from callproof.errors import UserError

from ..cpu import has_bf16, quicken
from ..loop.loss import TokenWeights, supervised_loss
from ..rows.encode import IGNORED, Encoder, Row
from ..synth.curriculum.lessons import BARE, DENSE, FULL, MEDIUM, Level, lesson
from .muon import muon
from .tokenizer import TEMPLATE, make_tokenizer


@dataclass(frozen=True)
class Stage:
    """`steps` batches of about `tokens` tokens of lessons of one mixture of levels."""

    steps: int
    tokens: int
    levels: tuple[tuple[Level, float], ...]
    everything: int = 0  # every n-th batch has loss on all tokens


STAGES = (
    Stage(500, 3072, ((BARE, 1.0),), everything=1),
    Stage(1200, 6144, ((BARE, 0.1), (DENSE, 0.9)), everything=4),
    Stage(1000, 8192, ((DENSE, 0.4), (MEDIUM, 0.5), (FULL, 0.1)), everything=12),
    Stage(1600, 8192, ((DENSE, 0.2), (MEDIUM, 0.35), (FULL, 0.45))),
)
LATER_PASS = (Stage(3000, 8192, ((DENSE, 0.15), (MEDIUM, 0.35), (FULL, 0.5))),)
WEIGHTS = LossWeights(decision=6.0, name=4.0, text=0.25)
SAVE_EVERY, WARM_UP = 100, 100  # steps
LAYERS = 4


def make_model(tokenizer: PreTrainedTokenizerFast, layers: int = LAYERS) -> Qwen3ForCausalLM:
    """Qwen3-shaped, randomly initialised; 3.4 million parameters with 4 layers, 4.7 with 6."""
    torch.manual_seed(7)
    vocabulary = tokenizer.get_vocab()
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        initializer_range=0.04,
        bos_token_id=None,
        eos_token_id=vocabulary["<|im_end|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
    )
    return Qwen3ForCausalLM(config)


def grown(state: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The weights of a model with `layers` layers that answers exactly as the smaller one of `state`.

    New layers are copies of the one before, spread evenly; what they add to the residual stream
    begins at zero (function-preserving growth: Chen et al. 2016, Net2Net).
    """
    inside = re.compile(r"model\.layers\.(\d+)\.(.+)")
    parts = [(int(match[1]), match[2]) for match in map(inside.fullmatch, state) if match]
    last = max(number for number, _ in parts)
    sources = [round(at * last / (layers - 1)) for at in range(layers)]
    made = {name: weight for name, weight in state.items() if not inside.fullmatch(name)}
    for at, source in enumerate(sources):
        silent = ("self_attn.o_proj.weight", "mlp.down_proj.weight") if source in sources[:at] else ()
        for part in (part for number, part in parts if number == source):
            weight = state[f"model.layers.{source}.{part}"]
            made[f"model.layers.{at}.{part}"] = torch.zeros_like(weight) if part in silent else weight
    return made


def make_optimizers(model: Qwen3ForCausalLM, peak: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    inner = {name: p.ndim == 2 and "embed" not in name for name, p in model.named_parameters()}
    matrices = [p for name, p in model.named_parameters() if inner[name]]
    others = [p for name, p in model.named_parameters() if not inner[name]]
    return [
        muon(matrices, peak),
        torch.optim.AdamW(others, lr=peak, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def _batches(encoder: Encoder, stage: Stage, rng: random.Random) -> Iterator[list[Row]]:
    """Batches of rows of similar length, about `stage.tokens` tokens each with padding."""
    levels, weights = zip(*stage.levels, strict=True)
    while True:
        rows = [row for _ in range(96) for row in encoder.rows(lesson(rng, rng.choices(levels, weights)[0]))]
        rows = sorted((row for row in rows if len(row.input_ids) <= 3072), key=lambda row: len(row.input_ids))
        batches: list[list[Row]] = [[]]
        for row in rows:
            if batches[-1] and (len(batches[-1]) + 1) * len(row.input_ids) > stage.tokens:
                batches.append([])
            batches[-1].append(row)
        rng.shuffle(batches)
        yield from batches


def _tensors(rows: list[Row], everything: bool, weights: TokenWeights) -> dict[str, torch.Tensor]:
    """`input_ids`, `labels` and `weights` of a batch, each (rows, longest row), padded on the right.

    Causal attention needs no mask then, and is 1.5 times as fast without.
    """
    longest = max(len(row.input_ids) for row in rows)
    ids, labels = torch.zeros((2, len(rows), longest), dtype=torch.long)
    labels.fill_(IGNORED)
    unsupervised = torch.zeros(len(rows), longest)
    for at, row in enumerate(rows):
        size = len(row.input_ids)
        ids[at, :size], labels[at, :size] = torch.tensor(row.input_ids), torch.tensor(row.labels)
        unsupervised[at, :size] = float(everything)
    weighed = torch.where(labels == IGNORED, unsupervised, weights(labels))
    return {"input_ids": ids, "labels": torch.where(weighed > 0, ids, IGNORED), "weights": weighed}


def train_base(
    out: Path, start: Path | None = None, layers: int | None = None, resume: bool = False, report_every: int = 25
) -> None:
    """Train through all stages and write model, tokenizer and template to `out` (bfloat16 safetensors).

    `start` is the model of an earlier pass, which a later one goes on from, grown to `layers` layers if given. Every
    `SAVE_EVERY` steps the state goes to `<out>-partial`; with `resume` training goes on from there.
    """
    partial = out.with_name(out.name + "-partial")
    stages, peak = (LATER_PASS, 3e-3) if start else (STAGES, 4e-3)
    model, tokenizer = _of_earlier_pass(start, layers) if start else _from_nothing()
    encoder = Encoder(tokenizer)
    quicken(model)
    optimizers = make_optimizers(model, peak)
    total, done, begun = sum(stage.steps for stage in stages), 0, time.time()
    if resume:
        done = _load_state(partial, model, optimizers)
    losses: list[float] = []
    batches = _lessons(stages, encoder, TokenWeights(encoder, WEIGHTS), done)
    for step, batch in enumerate(batches, start=done):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = peak * _rate(step, total)
        losses.append(_step(model, batch, optimizers))
        if (step + 1) % report_every == 0:
            recent = sum(losses[-report_every:]) / report_every
            minutes = (time.time() - begun) / 60
            print(f"step {step + 1} of {total}, loss {recent:.4f}, {minutes:.1f} min", file=sys.stderr, flush=True)
        if (step + 1) % SAVE_EVERY == 0:
            _save_state(partial, model, optimizers, step + 1)
    _save(out, model, tokenizer)
    shutil.rmtree(partial, ignore_errors=True)


def _from_nothing() -> tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]:
    tokenizer = make_tokenizer()
    return make_model(tokenizer), tokenizer


def _of_earlier_pass(start: Path, layers: int | None) -> tuple[Qwen3ForCausalLM, PreTrainedTokenizerFast]:
    if not (start / "config.json").is_file():
        raise UserError(f"--from {start}", "is no folder of a model", "name one that an earlier pass made")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
    known = Qwen3ForCausalLM.from_pretrained(start, dtype=torch.float32)
    has = known.config.num_hidden_layers
    if layers and layers < has:
        raise UserError(f"--layers {layers}", f"{start} has {has} layers", "give as many, or more")
    model = make_model(tokenizer, layers or has)
    try:
        model.load_state_dict(grown(known.state_dict(), layers or has))
    except RuntimeError:
        raise UserError(f"--from {start}", "is no model of an earlier pass: its shape differs", "see --help") from None
    return model, tokenizer


def _lessons(
    stages: tuple[Stage, ...], encoder: Encoder, weights: TokenWeights, done: int
) -> Iterator[dict[str, torch.Tensor]]:
    """The batches of all stages in order, without the first `done`; a resumed stage draws its lessons anew."""
    for number, stage in enumerate(stages):
        begin = min(done, stage.steps)
        done -= begin
        batches = _batches(encoder, stage, random.Random(f"{number}:{begin}"))
        for step in range(begin, stage.steps):
            everything = bool(stage.everything) and step % stage.everything == 0
            yield _tensors(next(batches), everything, weights)


def _save_state(partial: Path, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    partial.mkdir(parents=True, exist_ok=True)
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    torch.save(state, partial / "state.pt.new")
    (partial / "state.pt.new").replace(partial / "state.pt")


def _load_state(partial: Path, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer]) -> int:
    if not (partial / "state.pt").is_file():
        raise UserError(partial, "holds no state of an unfinished training", "start without --resume")
    state = torch.load(partial / "state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["step"]


def _rate(step: int, total: int) -> float:
    """Fraction of the highest learning rate: warm-up, up to a sixth of all steps at the peak, then down to 1 %."""
    return min((step + 1) / WARM_UP, max(0.01, 1.2 * (1 - step / total)), 1.0)


def _step(model: Any, batch: dict[str, torch.Tensor], optimizers: list[torch.optim.Optimizer]) -> float:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16()):
        weights = batch.pop("weights")
        loss = supervised_loss(model, batch, weights) / weights[:, 1:].sum()
    return descend(model, loss, optimizers)


def descend(model: Any, loss: torch.Tensor, optimizers: list[torch.optim.Optimizer]) -> float:
    """Make one step down a loss, with clipped gradients; returns the loss."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def _save(out: Path, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    copy.deepcopy(model).bfloat16().save_pretrained(out)
    if out.resolve() != TEMPLATE.parent.resolve():
        shutil.copy(TEMPLATE, out / "chat_template.jinja")
