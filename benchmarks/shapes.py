"""A base of a known shape with random weights, and a configuration that trains and serves it: speed needs no more.

    python benchmarks/shapes.py qwen3-0.6b --out /tmp/bench/qwen3-0.6b      # the base, and config.yaml beside it

The tokenizer and the sessions are those of --config. Embeddings of tokens that the tokenizer does not have are zero, so
that greedy answers have none of them. The last line on stdout is JSON.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
import yaml
from callproof.train.rows.data import load_tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

from callproof.config import RunConfig, load
from callproof.console import Parser, last_line
from callproof.errors import EXIT_PASS, exit_with

SHAPES: dict[str, dict[str, Any]] = {
    "qwen3-0.6b": {
        "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    },
    "qwen3-4b": {
        "vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    },
    "tiny": {
        "vocab_size": 4096, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64,
    },
}  # fmt: skip
"""Of Qwen3 models as their configurations on the hub have it; `tiny` is for trying things out."""


def random_base(name: str, config: RunConfig, folder: Path) -> RunConfig:
    """The configuration with a base of this shape in `folder`, made there unless it is there already."""
    if not (folder / "config.json").is_file():
        torch.manual_seed(0)
        shape = Qwen3Config(**SHAPES[name], tie_word_embeddings=True, max_position_embeddings=8192)
        tokenizer = load_tokenizer(config.model)
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"), torch.no_grad():
            model = Qwen3ForCausalLM._from_config(shape, dtype=torch.bfloat16)
            model.get_input_embeddings().weight[len(tokenizer) :] = 0
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return config.model_copy(update={"model": config.model.model_copy(update={"base_model": str(folder)})})


def write_config(source: Path, base: Path, name: str, answer: int) -> Path:
    """The file of a configuration on this base, whose answers have at most `answer` tokens; returns its path."""
    values = yaml.safe_load(source.read_text(encoding="utf-8"))
    values |= {"name": f"{name}-adapter", "model": {**values.get("model", {}), "base_model": str(base)}}
    values["train"] = {**values.get("train", {}), "output_dir": str(base.parent / "adapter")}
    values["eval"] = {**values.get("eval", {}), "max_tokens": answer}
    path = base.parent / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--config", type=Path, default=Path("configs/car_sales.yaml"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--answer", type=int, default=128, metavar="N", help="tokens at most (default %(default)s)")
    args = parser.parse_args()
    base = args.out / args.shape
    random_base(args.shape, load(args.config), base)
    path = write_config(args.config, base, args.shape, args.answer)
    megabytes = sum(file.stat().st_size for file in base.iterdir()) // 10**6
    last_line({"shape": args.shape, "config": str(path), "megabytes": megabytes})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
