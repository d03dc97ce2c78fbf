"""A hundred steps of TRL's GRPO on models/tiny with `callproof.reward`: does the reward rise, and does the format stay?

    python -m benchmarks.grpo [--steps 100] [--config configs/car_sales.yaml] [--turns 64] > grpo.json

The base writes calls in its format already. Prompts are those of the shortest training turns. The last line on stdout
is JSON: the reward and its parts by step, and the share of answers without a malformed call before and after, by greedy
answers to turns that no step has seen. Exit code 1 where the format is lost.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from callproof.train.answers.generation import Speaker, Wanted
from callproof.train.rows.data import load_encoder
from callproof.train.rows.prompts import question_rows
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer

from callproof.config import load
from callproof.reward import CallReward, Reward
from callproof.scoring import Answer, Outcome, judge
from callproof.turns import Turn, catalog_of

PARTS = tuple(f"call_reward/{part}" for part in Reward._fields[1:])
GENERATIONS, PROMPTS, ANSWER_TOKENS, UNSEEN = 4, 2, 96, 24


def shortest(config: Any, encoder: Any, count: int) -> list[dict[str, str]]:
    """The rows of the shortest prompts, in an order in which calls and other turns alternate as they come."""
    rows = sorted(question_rows(config, encoder), key=lambda row: len(row["prompt"]))
    return rows[:count]


def judged(model: Any, encoder: Any, form: str, rows: Sequence[dict[str, str]]) -> list[Outcome]:
    """Greedy answers and their verdicts."""
    speaker, wanted = Speaker(model.eval(), encoder.tokenizer), Wanted(ANSWER_TOKENS, temperature=0.0)
    outcomes = []
    for row in rows:
        turn = Turn.model_validate_json(row["turn"])
        said = speaker.answer(speaker.prompt(turn, ANSWER_TOKENS), wanted, lambda _: None)
        answer = Answer(text=said.text, finish_reason=said.finish_reason)
        outcomes.append(judge(turn, answer, "policy", catalog_of(turn), format=form))
    return outcomes


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    broken = sum(outcome.outcome in ("parse_error", "truncated") for outcome in outcomes)
    exact = sum(outcome.outcome == "ok" for outcome in outcomes)
    return {"turns": len(outcomes), "well_formed": 1 - broken / len(outcomes), "turn_exact": exact / len(outcomes)}


def curves(log: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """The reward and its parts, one value a step."""
    steps = [entry for entry in log if "reward" in entry]
    return {name.split("/")[-1]: [round(entry[name], 3) for entry in steps] for name in ("reward", *PARTS)}


def arguments(steps: int, folder: str) -> GRPOConfig:
    return GRPOConfig(
        output_dir=folder,
        max_steps=steps,
        learning_rate=3e-4,
        per_device_train_batch_size=GENERATIONS * PROMPTS,
        num_generations=GENERATIONS,
        max_completion_length=ANSWER_TOKENS,
        temperature=1.0,
        beta=0.02,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        seed=0,
        disable_tqdm=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--config", type=Path, default=Path("configs/car_sales.yaml"))
    parser.add_argument("--turns", type=int, default=64, help="different prompts")
    args = parser.parse_args()
    config = load(args.config)
    encoder = load_encoder(config.model)
    form = encoder.template.format.name
    rows = shortest(config, encoder, args.turns + UNSEEN)
    seen, unseen = rows[: args.turns], rows[args.turns :]
    model = AutoModelForCausalLM.from_pretrained(config.model.base_model, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=CallReward(form, encoder.tokenizer, encoder.template.ends),
            args=arguments(args.steps, folder),
            train_dataset=Dataset.from_list(seen),
            processing_class=encoder.tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        before = figures(judged(trainer.model, encoder, form, unseen))
        trainer.train()
        after = figures(judged(trainer.model, encoder, form, unseen))
    print(json.dumps({"steps": args.steps, "before": before, "after": after, **curves(trainer.state.log_history)}))
    return int(after["well_formed"] < before["well_formed"] - 0.05)


if __name__ == "__main__":
    sys.exit(main())
