"""Small tokenizers around chat templates: every byte, some merges, and the special tokens that a template writes."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from conftest import ROOT

_TOKEN = re.compile(
    r"<\|\"\|>|<\|[^<>|\s'\"{}]+\|?>|<[^<>|\s'\"{}=/]+\|>|<｜[^<>\s]+?｜>|\[/?[A-Z_]+\]|</?s>"
    r"|<(?:start|end)_of_(?:turn|utterance)>|<(?:bos|eos)>"
)
_ENDS = {
    "cohere": "<|END_OF_TURN_TOKEN|>", "deepseek": "<｜end▁of▁sentence｜>", "gemma4": "<turn|>",
    "diffusion_gemma": "<turn|>", "gemma": "<end_of_turn>", "glm": "<|endoftext|>", "gptoss": "<|return|>",
    "idefics": "<end_of_utterance>", "smolvlm": "<end_of_utterance>", "llama": "<|eot_id|>", "llava": "</s>",
    "muse": "<|eot|>", "phi": "<|end|>", "mistral": "</s>",
}  # fmt: skip
_BEGINS = {"gemma": "<bos>", "llama3": "<|begin_of_text|>", "mistral": "<s>", "cohere": "<BOS_TOKEN>"}
LOSE_CALLS = (
    "cohere", "cohere2", "deepseek_r1_distill", "gemma", "gemma3", "idefics3", "lfm2", "llama3", "llava_next", "phi3",
    "phi3_5", "qwen2_5_vl", "smolvlm",
)  # fmt: skip
"""TRL's templates that write no call."""


def trl_template(name: str) -> str:
    """TRL's copy of a family's template."""
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def trl_templates() -> list[str]:
    """The names of the templates that models ship with."""
    folder = Path(str(files("trl") / "chat_templates"))
    return sorted(path.stem for path in folder.glob("*.jinja") if not path.stem.endswith("_training"))


def _of_family(name: str, tokens: dict[str, str], default: str | None) -> str | None:
    return next((token for family, token in tokens.items() if name.startswith(family)), default)


def template_tokenizer(name: str, template: str) -> Any:
    """A byte-level tokenizer that knows the tokens of a template; `name` tells the family, and so its end of text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    roles = {"eos_token": _of_family(name, _ENDS, "<|im_end|>"), "bos_token": _of_family(name, _BEGINS, None)}
    special = dict.fromkeys(filter(None, (*roles.values(), *_TOKEN.findall(template))))
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600 + len(special),
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator([(ROOT / "datasets/car_sales/system_prompt.md").read_text(encoding="utf-8")] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model, **{role: token for role, token in roles.items() if token}
    )
    tokenizer.chat_template = template
    return tokenizer
