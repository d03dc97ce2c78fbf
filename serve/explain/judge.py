"""What a table of arms and channels means: the first layer that changes the answers, and the fault that does that.

The layers lie on each other: a prompt that differs explains every answer that does, wrong weights explain every call.
So they are looked at from the prompt to the stream, and the first that differs is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from callproof.records import Record
from callproof.turns import Fit

from .cells import ARMS, Arm, Cell, Way

Fault = Literal[
    "none",
    "template_mismatch",
    "other_base",
    "lora_fault",
    "dropped_tensors",
    "wrong_scale",
    "broken_adapter",
    "cpu_batch_fault",
    "parser_fault",
    "streaming_fault",
]
SAME = 0.02
"""Mean distance of log-probabilities, in nats, that the arithmetic of two implementations explains."""
EXPLAINED = 0.1
"""A strength explains the server's answers if they are this much nearer to it than to that of the training."""
NEAR_ONE = 0.03

MEANS: dict[Fault, str] = {
    "none": "every arm agrees",
    "template_mismatch": "the server's prompt is not that of the training: it uses another chat template, catalog or"
    " system prompt (callproof evaluate parity shows the tokens); serve with the template of the training",
    "other_base": "the base alone answers unlike transformers: the server has other weights, another revision or a"
    " quantised copy",
    "lora_fault": "an adapter that changes nothing changes the base's answers: the server's LoRA layers are at fault",
    "dropped_tensors": "the server leaves tensors of the adapter out: it was saved under names that the served base"
    " lacks, or other weights lie in its folder",
    "wrong_scale": "the server applies the adapter with another strength than it was trained with: lora_alpha, r or"
    " use_rslora in its adapter_config.json was changed after the training",
    "broken_adapter": "the adapter cannot be served as it was trained",
    "cpu_batch_fault": "answers change when other models answer at the same time: on a CPU vLLM gives rows of the base"
    " another adapter's weights once all LoRA slots are taken; keep one free (--max-loras, as callproof serve does)."
    " On a GPU start the server with VLLM_BATCH_INVARIANT=1",
    "parser_fault": "the server's tool-call parser returns other calls than the model wrote: it is that of another"
    " family, or at fault; set serve.tool_call_parser to the format of the template",
    "streaming_fault": "a streamed answer is not the whole one: the server's streaming or a proxy on the way loses or"
    " changes pieces",
}


class Verdict(Record):
    """The fault, and the cell that shows it (None where nothing differs)."""

    fault: Fault
    arm: Arm | None = None
    way: Way | None = None
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """All that is known of a server.

    Attributes:
        cells: those that were compared.
        fits: how far the adapter's answers are from each strength of it.
        refusal: why the adapter in its folder cannot be served as it was trained, if so.
    """

    cells: Mapping[tuple[Arm, Way], Cell]
    fits: Sequence[Fit] = field(default=())
    refusal: str | None = None

    def differing(self, way: Way, *arms: Arm) -> Cell | None:
        """The first of these arms whose cell differs."""
        cells = (self.cells.get((arm, way)) for arm in arms or ARMS)
        return next((cell for cell in cells if cell and cell.differing), None)


def judge(evidence: Evidence) -> Verdict:
    """The first layer that differs, and what that means."""
    return next(filter(None, (look(evidence) for look in _LAYERS)), Verdict(fault="none", sentence=MEANS["none"]))


def _prompt(evidence: Evidence) -> Verdict | None:
    return _verdict("template_mismatch", evidence.differing("prompt"))


def _base(evidence: Evidence) -> Verdict | None:
    return _verdict("other_base", evidence.differing("raw", "base"))


def _lora(evidence: Evidence) -> Verdict | None:
    return _verdict("lora_fault", evidence.differing("raw", "identity"))


def _adapter(evidence: Evidence) -> Verdict | None:
    """By the strengths of the adapter: none of it, another one than trained, or not to be had by any."""
    if evidence.refusal and not evidence.fits:
        return Verdict(fault=_of_refused(evidence), arm="adapter", way="raw", sentence=_of_folder(evidence.refusal))
    trained, best = _trained(evidence.fits), _best(evidence.fits)
    differing = evidence.differing("raw", "adapter")
    if trained is None or best is None or (not differing and trained.deviation <= SAME):
        return None
    if best.factor == 0 and best.deviation <= SAME:
        return _weights("dropped_tensors", "it answers exactly as the base does: all of the adapter is left out")
    apart = abs(best.factor - 1) > NEAR_ONE
    if apart and best.factor and best.deviation <= max(SAME, EXPLAINED * trained.deviation):
        return _weights("wrong_scale", f"its answers are those of {best.factor:.3g} times the trained strength")
    if not differing and not apart:
        return None
    seen = f"log-probabilities are {best.deviation:.2g} nats off at the best strength, {best.factor:.3g} times"
    return _weights("dropped_tensors", f"no strength of the whole adapter explains its answers ({seen})")


def _of_refused(evidence: Evidence) -> Fault:
    """An adapter that answers as the base does is left out; the cell compares the two where there is no reference."""
    cell = evidence.cells.get(("adapter", "raw"))
    return "dropped_tensors" if cell and cell.against == "base" and not cell.differing else "broken_adapter"


def _of_folder(refusal: str) -> str:
    return f"{MEANS['broken_adapter']}: {refusal}"


def _weights(fault: Fault, seen: str) -> Verdict:
    return Verdict(fault=fault, arm="adapter", way="raw", sentence=f"{MEANS[fault]}: {seen}")


def _beside(evidence: Evidence) -> Verdict | None:
    return _verdict("cpu_batch_fault", evidence.differing("beside"))


def _served(evidence: Evidence) -> Verdict | None:
    return _verdict("parser_fault", evidence.differing("served"))


def _streamed(evidence: Evidence) -> Verdict | None:
    return _verdict("streaming_fault", evidence.differing("streamed"))


_LAYERS: tuple[Callable[[Evidence], Verdict | None], ...] = (
    _prompt,
    _base,
    _lora,
    _adapter,
    _beside,
    _served,
    _streamed,
)


def _verdict(fault: Fault, cell: Cell | None) -> Verdict | None:
    return Verdict(fault=fault, arm=cell.arm, way=cell.way, sentence=MEANS[fault]) if cell else None


def _trained(fits: Sequence[Fit]) -> Fit | None:
    return next((fit for fit in fits if fit.factor == 1), None)


def _best(fits: Sequence[Fit]) -> Fit | None:
    return min(fits, key=lambda fit: fit.deviation, default=None)
