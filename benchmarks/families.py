"""Four families' notations from end to end: 30 steps of training, real vLLM with the family's parser, both channels.

    python -m benchmarks.families [--family NAME ...] [--keep DIR] > families.json

No small model of these families exists, so that each gets a base of models/tiny's architecture that has met its
notation: models/tiny with the tokens and the chat template of the family, 45 to 200 steps of all weights on one or two
calls among invented tools. It never sees the domain of the training, three tools of a travel agency. Training, server,
evaluation and the check of parity are those of the command line. The table goes to stderr, and one line of JSON to
stdout. Exit code 1 where a family misses what is wanted of it: tool F1 in training above `WANTED_F1`, channels that
agree on `WANTED_AGREEMENT` of the answers without a malformed call, and every prompt of the server that of the
training. A cut call, or one with a key twice, is malformed here, and vLLM's parsers make something of it: such answers
are listed apart.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from callproof.train.base.base import descend, make_optimizers
from callproof.train.cpu import has_bf16, quicken
from callproof.train.loop.loss import supervised_loss
from callproof.train.rows.encode import IGNORED, Encoder, Row
from callproof.train.rows.template import Unrenderable
from callproof.train.synth.curriculum.lessons import BARE, Level, lesson
from tokenizers import AddedToken
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from benchmarks.own_server import served
from callproof.config import load

TINY = Path("models/tiny")
BATCH_TOKENS, PEAK = 2048, 3e-3
STEPS, ROWS = 30, 8
WANTED_F1, WANTED_AGREEMENT = 0.5, 0.99
SHORT = Level(tools=(2, 3), exchanges=(1, 1), simple=True)
FULL = Level(tools=(2, 3), exchanges=(1, 1))


@dataclass(frozen=True)
class Family:
    """A chat template, and the tokens that a tokenizer of the family has beside those of models/tiny.

    Attributes:
        template: a name among TRL's templates, or a .jinja file.
        format: vLLM's parser.
        tokens: new token -> the one of models/tiny that it begins as; the first ends a turn.
        begin: the token that begins a text, if any.
        special: whether the tokenizer marks the new tokens special.
        base_steps: of the base on the notation; more where the template's own words fill a batch with few rows.
        levels: of the lessons of the base; `FULL` where a notation repeats its tags for each argument.
    """

    template: str
    format: str
    tokens: Mapping[str, str]
    begin: str | None = None
    special: bool = True
    base_steps: int = 45
    levels: tuple[Level, ...] = (BARE, SHORT)

    @property
    def text(self) -> str:
        """Jinja source."""
        folder = files("trl") / "chat_templates"
        own = self.template.endswith(".jinja")
        return (Path(self.template) if own else folder / f"{self.template}.jinja").read_text(encoding="utf-8")


FAMILIES = {
    "qwen3_5": Family(
        "qwen3_5_nothink",
        "qwen3_xml",
        {"<|im_end|>": "<|im_end|>", "<think>": "<tools>", "</think>": "</tools>"},
        special=False,
        base_steps=150,
        levels=(BARE, SHORT, FULL),
    ),
    "llama3_1": Family(
        "llama3_1",
        "llama3_json",
        {
            "<|eot_id|>": "<|im_end|>",
            "<|begin_of_text|>": "<|endoftext|>",
            "<|start_header_id|>": "<|im_start|>",
            "<|end_header_id|>": "<tools>",
            "<|eom_id|>": "<|im_end|>",
            "<|python_tag|>": "<tool_call>",
        },
        begin="<|begin_of_text|>",
        base_steps=80,
    ),
    "gemma4": Family(
        "gemma4_v5",
        "gemma4",
        {
            "<turn|>": "<|im_end|>",
            "<bos>": "<|endoftext|>",
            "<|turn>": "<|im_start|>",
            "<|tool_call>": "<tool_call>",
            "<tool_call|>": "</tool_call>",
            "<|tool>": "<tools>",
            "<tool|>": "</tools>",
            "<|tool_response>": "<tool_response>",
            "<tool_response|>": "</tool_response>",
            '<|"|>': '"',
            "<|channel>": "<tools>",
            "<channel|>": "</tools>",
            "<|think|>": "<tools>",
        },
        begin="<bos>",
    ),
    "mistral": Family(
        str(Path(__file__).with_name("mistral.jinja")),
        "mistral",
        {
            "</s>": "<|im_end|>",
            "<s>": "<|endoftext|>",
            "[INST]": "<|im_start|>",
            "[/INST]": "<|im_start|>",
            "[TOOL_CALLS]": "<tool_call>",
            "[AVAILABLE_TOOLS]": "<tools>",
            "[/AVAILABLE_TOOLS]": "</tools>",
            "[TOOL_RESULTS]": "<tool_response>",
            "[/TOOL_RESULTS]": "</tool_response>",
        },
        begin="<s>",
    ),
}


def make_base(family: Family, out: Path) -> None:
    """Write a model of models/tiny's architecture that knows the notation of a family."""
    torch.manual_seed(0)
    tokenizer, model = _with_tokens(family)
    encoder = Encoder(tokenizer)
    model.generation_config.eos_token_id = sorted(encoder.template.ends)
    quicken(model)
    optimizers = make_optimizers(model, PEAK)
    for step, rows in enumerate(islice(_batches(encoder, family.levels), family.base_steps)):
        rate = PEAK * min((step + 1) / 5, 1.2 * (1 - step / family.base_steps), 1)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        loss = _step(model, rows, optimizers)
        if step % 10 == 9:
            done = f"step {step + 1} of {family.base_steps}, loss {loss:.3f}"
            print(f"base of {family.format}: {done}", file=sys.stderr, flush=True)
    tokenizer.save_pretrained(out)
    model.bfloat16().save_pretrained(out)


def _with_tokens(family: Family) -> tuple[Any, Any]:
    """Tokenizer and model of models/tiny with the tokens, the roles of tokens and the template of a family."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY)
    known = tokenizer.get_vocab()
    new = {token: source for token, source in family.tokens.items() if token not in known}
    tokenizer.add_tokens([AddedToken(token, special=family.special, normalized=False) for token in new])
    tokenizer.eos_token, tokenizer.bos_token = next(iter(family.tokens)), family.begin
    tokenizer.chat_template = family.text
    model: Any = Qwen3ForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = model.get_input_embeddings().weight.data
    for token, source in new.items():
        table[tokenizer.convert_tokens_to_ids(token)] = table[known[source]]
    model.config.eos_token_id = tokenizer.eos_token_id
    return tokenizer, model


def _batches(encoder: Encoder, levels: tuple[Level, ...]) -> Iterator[list[Row]]:
    """Batches of rows of similar length, `BATCH_TOKENS` tokens each at most with padding."""
    rng = random.Random(1)
    while True:
        rows = sorted(islice(_rows(encoder, rng, levels), 64), key=lambda row: len(row.input_ids))
        batches: list[list[Row]] = [[]]
        for row in rows:
            if (len(batches[-1]) + 1) * len(row.input_ids) > BATCH_TOKENS:
                batches.append([])
            batches[-1].append(row)
        rng.shuffle(batches)
        yield from filter(None, batches)


def _rows(encoder: Encoder, rng: random.Random, levels: tuple[Level, ...]) -> Iterator[Row]:
    """Rows of short lessons; without those that the template refuses, such as several calls in Llama's turn."""
    while True:
        try:
            yield from encoder.rows(lesson(rng, rng.choice(levels)))
        except Unrenderable:
            continue


def _step(model: Any, rows: list[Row], optimizers: list[torch.optim.Optimizer]) -> float:
    ids = pad_sequence([torch.tensor(row.input_ids) for row in rows], batch_first=True)
    labels = pad_sequence([torch.tensor(row.labels) for row in rows], batch_first=True, padding_value=IGNORED)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16()):
        loss = supervised_loss(model, {"input_ids": ids, "labels": labels}) / sum(row.supervised for row in rows)
    return descend(model, loss, optimizers)


def _tool(name: str, description: str, **types: str) -> dict[str, Any]:
    properties = {key: {"type": type} for key, type in types.items()}
    parameters = {"type": "object", "properties": properties, "required": list(types)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    _tool("find_train", "Find a train.", town="string", seats="integer"),
    _tool("book_room", "Book a room.", town="string", quiet="boolean"),
    _tool("cancel_booking", "Cancel a booking.", code="string"),
]
TOWNS = {
    "train": "Bern Basel Zurich Geneva London Paris Rome Milan Berlin Munich Vienna Madrid Lisbon Oslo Prague".split(),
    "eval": "Lugano Chur Dublin Athens Warsaw Hamburg Lyon Turin".split(),
}
TALK = {
    "Thank you.": "You are welcome.",
    "Hello.": "Hello.",
    "Tell me a joke.": "I cannot do that.",
    "What is the weather like?": "I cannot do that.",
}


def write_domain(folder: Path) -> None:
    """Short sessions; the towns of the evaluation are not those of the training."""
    (folder / "sessions").mkdir(parents=True)
    (folder / "system_prompt.md").write_text("You help travellers.\n", encoding="utf-8")
    (folder / "tools.json").write_text(json.dumps(TOOLS), encoding="utf-8")
    for split, count in (("train", 240), ("eval", 48)):
        rng = random.Random(split)
        sessions = [{"session_id": f"{split}-{number}", "messages": _talk(rng, split)} for number in range(count)]
        lines = "".join(json.dumps(session) + "\n" for session in sessions)
        (folder / "sessions" / f"{split}.jsonl").write_text(lines, encoding="utf-8")


def _talk(rng: random.Random, split: str) -> list[dict[str, Any]]:
    """One request, and in a quarter of the sessions, where the tool has answered, another one."""
    first, then = _exchange(rng, TOWNS[split]), _exchange(rng, TOWNS[split])
    calls = first[-1].get("tool_calls")
    if not calls or rng.random() < 0.75:
        return first
    done = {"role": "assistant", "content": "Done."}
    return [*first, {"role": "tool", "name": calls[0]["name"], "content": '{"ok": true}'}, done, *then]


def _exchange(rng: random.Random, towns: list[str]) -> list[dict[str, Any]]:
    kind, town, seats, code = rng.randrange(4), rng.choice(towns), rng.randint(2, 9), str(rng.randint(100, 999))
    quiet = rng.random() < 0.5
    if kind == 0:
        question, answer = rng.choice(list(TALK.items()))
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    question, name, arguments = (
        (f"Find a train to {town} for {seats}.", "find_train", {"town": town, "seats": seats}),
        (f"Book a {'quiet ' if quiet else ''}room in {town}.", "book_room", {"town": town, "quiet": quiet}),
        (f"Cancel booking {code}.", "cancel_booking", {"code": code}),
    )[kind - 1]
    call = {"name": name, "arguments": arguments}
    return [{"role": "user", "content": question}, {"role": "assistant", "tool_calls": [call]}]


def write_config(name: str, base: Path, domain: Path, folder: Path) -> Path:
    """The configuration of a training of `STEPS` steps, evaluated at the end."""
    values = {
        "name": name,
        "data": {"domain": str(domain), "max_context_length": 2048},
        "model": {"base_model": str(base), "name": f"{name}-base"},
        "lora": {"r": 16, "alpha": 32},
        "train": {
            "output_dir": str(folder / name),
            "max_steps": STEPS,
            "per_device_train_batch_size": ROWS,
            "learning_rate": 6e-3,
            "adam_beta2": 0.98,
            "loss_weights": {"decision": 3, "name": 2},
            "save_steps": 0,
            "eval_steps": STEPS,
            "per_device_eval_batch_size": 16,
        },
        "serve": {"max_model_len": 2048},
        "eval": {"max_tokens": 96, "channel": "both"},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@dataclass
class Result:
    """What came of a family; `seconds` by part of the work."""

    family: str
    template: str
    format: str = ""
    base_steps: int = 0
    steps: int = 0
    tool_f1: float = 0.0
    base_f1: float | None = None
    answers: int = 0
    agreement: float = 0.0
    malformed: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    turns: int = 0
    parity: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_wanted(self) -> bool:
        return self.tool_f1 > WANTED_F1 and self.agreement >= WANTED_AGREEMENT and self.parity == 1


def measured(name: str, folder: Path) -> Result:
    """Make the base of a family, train on it, serve it and ask both channels."""
    family = FAMILIES[name]
    result = Result(name, Path(family.template).stem, base_steps=family.base_steps)
    base, domain = folder / f"{name}-base", folder / f"{name}-domain"
    clock = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        result.seconds[part], clock = round(now - clock, 1), now

    make_base(family, base)
    lap("base")
    write_domain(domain)
    config = write_config(name, base, domain, folder)
    verb("train", "--config", config)
    add_training(result, config)
    lap("train")
    with served("--config", str(config), log=folder / f"{name}.log") as url:
        lap("start")
        where = ("--endpoint", url, "--config", config)
        verb("evaluate", *where, "--model", f"{name}-base", "--model", name, "--out", folder, "--run-id", f"{name}-run")
        verb("evaluate", "parity", *where, "--out", folder / f"{name}-parity.json", codes=(0, 1))
    add_run(result, folder / f"{name}-run")
    parity = json.loads((folder / f"{name}-parity.json").read_text(encoding="utf-8"))
    result.turns, result.parity = parity["turns"], parity["equal"] / parity["turns"]
    lap("evaluate")
    return result


def add_training(result: Result, config: Path) -> None:
    """What the manifest says of the evaluation in training."""
    manifest = json.loads((load(config).output_dir / "manifest.json").read_text(encoding="utf-8"))
    result.format, result.steps = manifest["format"], manifest["steps"]
    result.tool_f1 = manifest["evaluations"][-1].get("eval_tool_f1", 0.0)


def add_run(result: Result, run: Path) -> None:
    """How far the channels of the adapter agree, and how good the base was before."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    raw, server = (channel(run, result.family, name) for name in ("raw", "served"))
    result.malformed = sorted(turn for turn, calls in raw.items() if any("reason" in call for call in calls))
    whole = raw.keys() - result.malformed
    result.differing = sorted(turn for turn in whole if calls_of(raw[turn]) != calls_of(server[turn]))
    result.answers, result.agreement = len(raw), 1 - len(result.differing) / len(whole)
    result.base_f1 = metrics["models"][f"{result.family}-base"]["metrics"]["name_f1"]["value"]


def channel(run: Path, model: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """Turn -> the calls of a model's answer in one channel; malformed ones have a reason."""
    lines = (run / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = (outcome for outcome in map(json.loads, lines) if outcome["model"] == model)
    return {outcome["turn_id"]: outcome["calls"] for outcome in outcomes if outcome["channel"] == name}


def calls_of(calls: list[dict[str, Any]]) -> list[str]:
    """The calls in no particular order."""
    return sorted(json.dumps([call["name"], call["arguments"]], sort_keys=True) for call in calls if "name" in call)


def verb(*words: object, codes: tuple[int, ...] = (0,)) -> None:
    """Run `python -m <words>`; its output goes to stderr."""
    done = subprocess.run([sys.executable, "-m", *map(str, words)], stdout=sys.stderr)
    if done.returncode not in codes:
        sys.exit(f"error: {words[0]} ended with {done.returncode}")


def table(results: list[Result]) -> Iterator[str]:
    """Markdown."""
    yield "| template | format | steps of the base, and F1 | steps | F1 in training | raw = served | parity | seconds |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in results:
        base = f"{one.base_steps}, {0 if one.base_f1 is None else one.base_f1:.2f}"
        agreement = f"{one.agreement:.1%} of {one.answers - len(one.malformed)}, {len(one.malformed)} malformed"
        spent = " + ".join(f"{part} {seconds:.0f}" for part, seconds in one.seconds.items())
        yield (
            f"| `{one.template}` | `{one.format}` | {base} | {one.steps} | {one.tool_f1:.2f} | "
            f"{agreement} | {one.parity:.0%} of {one.turns} | {spent} |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="*", choices=FAMILIES, default=list(FAMILIES), help="default: all")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep bases, adapters and runs there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (args.keep or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        results = [measured(family, folder) for family in args.family]
    print("\n".join(table(results)), file=sys.stderr)
    print(json.dumps([asdict(result) for result in results]))
    return int(not all(result.is_wanted for result in results))


if __name__ == "__main__":
    sys.exit(main())
