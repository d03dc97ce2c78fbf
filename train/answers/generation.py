"""Answers of a model in this process, piece by piece, without a server."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from callproof.config import ModelConfig
from callproof.errors import UserError
from callproof.turns import Conversation, Turn

from ..adapter.adapters import SavedAdapter, adapter_tokenizer, load_with_adapter
from ..rows.data import from_pretrained, load_tokenizer
from ..rows.encode import Encoder


class Wanted(NamedTuple):
    """How to answer.

    Attributes:
        max_tokens: of the answer.
        temperature: 0: the most likely token.
        keep_special: whether special tokens stand in the text; None: where the format of calls needs them.
        seed: of the sampling; None: any.
        with_adapter: false: the base answers, without the adapter that is on it.
    """

    max_tokens: int
    temperature: float
    keep_special: bool | None = None
    seed: int | None = None
    with_adapter: bool = True


class Generated(NamedTuple):
    """An answer: its text without the token that ends it, "stop" or "length", and its tokens, the ending one included.

    `prompt_tokens`: of what was asked.
    """

    text: str
    finish_reason: str
    tokens: int
    prompt_tokens: int


class Speaker:
    """A model that answers, one question at a time.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: with the chat template that the model was trained with.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer, self.encoder = model, tokenizer, Encoder(tokenizer)
        configured = model.generation_config.eos_token_id
        more = configured if isinstance(configured, list) else [configured]
        self._ends = {*self.encoder.template.ends, *(token for token in more if token is not None)}

    def prompt(self, question: Conversation | Turn, max_tokens: int) -> list[int]:
        """The tokens of a question.

        Raises:
            UserError: the template fails, or they do not fit into the model's context beside an answer of `max_tokens`.
        """
        ids = self._tokenizer(self.encoder.prompt(question), add_special_tokens=False)["input_ids"]
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest and len(ids) + max_tokens > longest:
            problem = f"{len(ids)} tokens and an answer of {max_tokens} are over the model's {longest}"
            raise UserError("the prompt", problem, "shorten it, or lower the tokens of the answer")
        return ids

    def answer(
        self, prompt: list[int], wanted: Wanted, say: Callable[[str], None], stopped: threading.Event | None = None
    ) -> Generated:
        """Answer a prompt.

        Args:
            prompt: tokens, see `prompt`.
            say: takes each piece of the text as it comes.
            stopped: once it is set, the answer ends at its next token.
        """
        keep = bool(self.encoder.template.special_tags) if wanted.keep_special is None else wanted.keep_special
        pieces = _Pieces(lambda ids: self.encoder.decode(prompt, self._before_end(ids), not keep), say)
        ids = self._generate(prompt, wanted, pieces, stopped or threading.Event())
        pieces.complete(ids)
        ended = len(self._before_end(ids)) < len(ids)
        return Generated(pieces.said, "stop" if ended else "length", len(ids), len(prompt))

    def _generate(self, prompt: list[int], wanted: Wanted, pieces: "_Pieces", stopped: threading.Event) -> list[int]:
        asked = torch.tensor([prompt], device=self._model.device)
        sampling = {"temperature": wanted.temperature} if wanted.temperature else {}
        if wanted.seed is not None:
            torch.manual_seed(wanted.seed)
        base_alone = nullcontext() if wanted.with_adapter else self._model.disable_adapter()
        with torch.inference_mode(), base_alone:
            whole = self._model.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                max_new_tokens=wanted.max_tokens,
                eos_token_id=sorted(self._ends),
                pad_token_id=self._tokenizer.pad_token_id,
                streamer=pieces,
                stopping_criteria=StoppingCriteriaList([_Stop(stopped)]),
                do_sample=bool(sampling),
                **sampling,
            )
        return whole[0, len(prompt) :].tolist()

    def _before_end(self, ids: list[int]) -> list[int]:
        end = next((at for at, token in enumerate(ids) if token in self._ends), None)
        return ids[:end]


class _Stop:
    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        del scores
        return torch.full((ids.shape[0],), self._stopped.is_set(), dtype=torch.bool, device=ids.device)


class _Pieces(BaseStreamer):
    """Says what each token adds to the text; of a character that is not complete, nothing yet."""

    def __init__(self, text_of: Callable[[list[int]], str], say: Callable[[str], None]) -> None:
        self._text_of, self._say = text_of, say
        self._ids: list[int] | None = None
        self.said = ""

    def put(self, value: Any) -> None:
        if self._ids is None:  # the first time it is the prompt
            self._ids = []
            return
        ids = self._ids = [*self._ids, *value.flatten().tolist()]
        text = self._text_of(ids)
        if text.startswith(self.said) and not text.endswith("\ufffd"):
            self._add(text)

    def complete(self, ids: list[int]) -> None:
        self._add(self._text_of(ids))

    def end(self) -> None:
        pass

    def _add(self, text: str) -> None:
        if text != self.said:
            self._say(text.removeprefix(self.said))
            self.said = text


def load_speaker(source: SavedAdapter | ModelConfig) -> Speaker:
    """An adapter on its base, or a whole model; bfloat16 on a GPU, float32 on a CPU.

    Raises:
        UserError: model or adapter is not there, or they do not fit.
    """
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    if isinstance(source, SavedAdapter):
        model, tokenizer = load_with_adapter(source, dtype), adapter_tokenizer(source)
    else:
        model, tokenizer = from_pretrained(AutoModelForCausalLM, source, dtype=dtype), load_tokenizer(source)
    return Speaker(model.to("cuda" if on_gpu else "cpu").eval(), tokenizer)
