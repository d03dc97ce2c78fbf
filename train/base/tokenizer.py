"""The tokenizer of the embedded base model: byte-level BPE in which a word is the same tokens wherever it stands.

Letters, single digits and runs of everything else are split before merging, so that a value in the customer's sentence
and the same value inside JSON quotes give the same tokens, and a small model can learn to copy it. For the same reason,
and because it saves a quarter of all tokens, a single space between two words is no token: the later pieces of a word
are marked, so decoding knows where a new word begins and puts the space back.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from callproof.turns import template_messages

from ..synth.curriculum.lessons import DENSE, FULL, MEDIUM, lesson

TEMPLATE = Path("models/tiny/chat_template.jinja")
MARKS = ("<tools>", "</tools>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_INSIDE, _BETWEEN = "\u011f", "\u011e"
"""How byte-level BPE writes U+001F, which marks a piece inside a word, and U+001E, which stands between pieces while
decoding; neither may occur in a text."""


def make_tokenizer(vocabulary: int = 3072, lessons: int = 5000) -> PreTrainedTokenizerFast:
    """Train on `lessons` lessons of the curriculum; decoding what it encodes gives back the text, without U+001E/F."""
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix=_INSIDE))
    tokenizer.normalizer = normalizers.Replace(Regex("[\x1e\x1f]"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"(?<=\p{L}) (?=\p{L})"), "removed"),
            pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|[^\p{L}\p{N}]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix=_INSIDE, cleanup=False),
            decoders.Replace(" ", _BETWEEN),
            decoders.ByteLevel(),
            decoders.Replace(Regex("(?<=\\p{L})\x1e(?=\\p{L})"), " "),
            decoders.Replace("\x1e", ""),
        ]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    _add_marks(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKS),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(lessons), trainer)
    _add_marks(tokenizer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=4096,
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
    )


def _add_marks(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])


def _texts(lessons: int) -> Iterator[str]:
    """Lessons as plain text, marks left out, for counting merges; and every byte of UTF-8 inside a word or a run."""
    rng = random.Random(1)
    template = TEMPLATE.read_text(encoding="utf-8")
    for _ in range(lessons):
        made = lesson(rng, rng.choice((DENSE, MEDIUM, FULL)))
        tools: list[Any] = list(made.tools or ())
        rendered, _ = render_jinja_template([template_messages(made.messages)], tools, chat_template=template)
        yield from re.split("|".join(map(re.escape, (*MARKS, *SPECIAL))), rendered[0])
    blocks = (range(0x80), range(0x80, 0x800), range(0x800, 0xD800, 61), range(0xE000, 0x10000, 61))
    for block in (*blocks, range(0x10000, 0x110000, 997)):
        yield from (chr(point) * 2 for point in block)
