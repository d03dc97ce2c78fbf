"""The model card of an adapter: what it is, how it was made, what it scored (as `model-index`), how to serve it."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from callproof.config import RunConfig, allowed_rank
from callproof.records import replacing

TASK = ("text-generation", "tool calling")
SCORES = ("turn_exact", "name_f1", "arg_exact", "parse_rate", "schema_valid", "hallucination_rate")
"""The metrics of a run of `evaluate` that the card shows."""


def write_card(
    folder: Path, config: RunConfig, manifest: dict[str, Any], evaluated: dict[str, Any] | None = None
) -> None:
    """Write README.md into the adapter's folder.

    Args:
        manifest: see `train.adapter.manifest`.
        evaluated: metric -> estimate of this adapter in a run of `evaluate`, see `callproof.scoring.metrics.Estimate`.
    """
    scores = _scores(manifest, evaluated)
    name = (config.train.hub_model_id or config.name).rsplit("/", 1)[-1]
    card = ModelCard(f"---\n{_metadata(config, name, scores).to_yaml()}\n---\n\n{_text(config, manifest, scores)}")
    with replacing(folder / "README.md") as file:
        file.write(str(card).encode())


def _scores(manifest: dict[str, Any], evaluated: dict[str, Any] | None) -> dict[str, float]:
    """Figure -> value: of the run of `evaluate`, else of the in-training evaluation at the adapter's step."""
    if evaluated:
        values = {name: evaluated[name]["value"] for name in SCORES if name in evaluated}
        return {name: value for name, value in values.items() if value is not None}
    step = manifest["best_step"] or manifest["steps"]
    entries = [entry for entry in manifest["evaluations"] if entry["step"] == step]
    figures = {"perplexity": manifest["perplexity"]}
    for entry in entries:
        figures |= {key.removeprefix("eval_"): value for key, value in entry.items() if key.startswith("eval_")}
    return figures


def _metadata(config: RunConfig, name: str, scores: dict[str, float]) -> ModelCardData:
    base = config.model.base_model
    domain = config.data.title
    results = [
        EvalResult(
            task_type=TASK[0],
            task_name=TASK[1],
            dataset_type=domain,
            dataset_name=f"{domain}, {config.data.eval}",
            metric_type=metric,
            metric_value=round(value, 6),
        )
        for metric, value in scores.items()
    ]
    options: dict[str, Any] = {} if Path(base).is_dir() else {"base_model": base, "base_model_relation": "adapter"}
    return ModelCardData(
        model_name=name,
        library_name="peft",
        pipeline_tag=TASK[0],
        tags=["lora", "tool-calling", "vllm", "callproof"],
        eval_results=results,
        **options,
    )


def _by(config: RunConfig) -> str:
    return "" if config.train.method == "sft" else f" of {config.train.method.upper()}"


def _text(config: RunConfig, manifest: dict[str, Any], scores: dict[str, float]) -> str:
    data, serve = manifest["data"]["train"], manifest["serve"]
    parser = serve["tool_call_parser"]
    parsing = "" if parser == "auto" else f" --enable-auto-tool-choice --tool-call-parser {parser}"
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in scores.items())
    revision = serve["revision"] or serve["commit"]
    pinned = f" --revision {revision}" if revision else ""
    return f"""# {config.name}

A LoRA adapter for tool calling on `{serve["base_model"]}`: rank {serve["rank"]},
{manifest["steps"]} steps{_by(config)} on
{data["sessions"]} sessions ({data["supervised_tokens"]} supervised tokens) of `{config.data.title}`.

## Evaluation

| figure | value |
|---|---|
{rows}

## Serving

One base and one tool-call format a server; a client picks the adapter as `model`.

```
vllm serve {serve["base_model"]}{pinned} --enable-lora --max-lora-rank {allowed_rank(serve["rank"])} \\
    --lora-modules {config.name}=<this folder>{parsing}
```

It was trained with the chat template of SHA-256 `{manifest["sha256"]["chat_template"]}`; serve it with the same.
"""
