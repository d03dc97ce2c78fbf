"""Supervised fine-tuning: token rows -> TRL's SFTTrainer with PEFT -> an adapter that vLLM can serve."""

import math
import os
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from callproof.config import RunConfig, check_adapter_folder
from callproof.console import Phases
from callproof.records import replacing_folder, write_json
from callproof.turns import Turn, eval_turns

from ..adapter.card import write_card
from ..adapter.manifest import make_manifest, read_manifest
from ..adapter.tracker import end_tracking
from ..before.servability import ask_vllm
from ..rows.data import Rows, load_encoder
from ..rows.encode import Encoder
from ..rows.hub_data import read_records
from ..rows.prepare import training_rows
from ..rows.prompts import write_eval_prompts
from ..rows.template import Unrenderable
from .beside import beside
from .checkpoints import Checkpoints, RunState
from .processes import say


def train_adapter(config: RunConfig, resume: bool = False, phases: Phases | None = None) -> dict[str, Any]:
    """Train one adapter into `config.adapter_dir` and write `manifest.json` beside it.

    Without `resume` the checkpoints of an older run go; with it training goes on from the newest whole one, and a run
    that is finished is left as it is. Adapter and manifest of an older run stay until the new ones are there.

    Args:
        phases: which are told as they begin; default: new ones.

    Returns:
        The manifest, see `train.adapter.manifest`.

    Raises:
        UserError: wrong data, base model or configuration, or a run that was begun with another one.
    """
    begun = time.perf_counter()
    checkpoints = Checkpoints(config, int(os.environ.get("WORLD_SIZE", "1")))
    state = checkpoints.state() if resume else None
    if state and state.finished and config.adapter_dir.is_dir():
        say(f"{config.name}: the run is finished already; without --resume it is made again")
        return read_manifest(config)
    phases = phases or Phases(config.name, say)
    phases.begin("loading the tokenizer")
    encoder = load_encoder(config.model)
    tokenizer = encoder.tokenizer
    phases.begin("encoding rows, and importing libraries meanwhile")
    data = _read(config, encoder)
    from .out_of_memory import one_line

    with one_line(config):
        trainer = _trainer(config, encoder, data, phases)
        checkpoint, state = _begin(trainer, checkpoints, state, resume)
        phases.begin("training")
        trainer.run(checkpoint)
        tracker = end_tracking(trainer.callback_handler.callbacks, trainer.args)
        phases.begin("measuring the loss")
        loss = trainer.evaluator.loss(trainer)
    figures = {**_figures(trainer, loss), "resumed_from": list(state.resumed_from) if state else []}
    figures["format"] = encoder.format_of(config.prompt.catalog)
    figures["tracker"] = tracker
    figures["seconds"] = round(time.perf_counter() - begun, 1)
    commit = getattr(trainer.model.config, "_commit_hash", None)
    manifest = make_manifest(config, tokenizer.chat_template, commit, data, figures)
    phases.begin("writing and checking the adapter")
    _write(trainer, config, manifest)
    if trainer.is_world_process_zero():
        if not config.data.prepared and config.data.text != "as_is":
            phases.begin("writing the prompts of the eval turns")
            write_eval_prompts(config, encoder)
        checkpoints.finish()
    if trainer.accelerator.num_processes > 1:
        trainer.end()
    say(phases.summary())
    return manifest


def _read(config: RunConfig, encoder: Encoder) -> dict[str, Rows]:
    train, measured = beside(lambda: import_module(".trainer", __package__), lambda: training_rows(config, encoder))
    say(f"{config.name}: {train.counts()}")
    return {"train": train, "eval": measured}


def _trainer(config: RunConfig, encoder: Encoder, data: dict[str, Rows], phases: Phases) -> Any:
    from .evaluation import Evaluator
    from .trainer import make_trainer

    settings = config.train
    asked = settings.evaluates and config.data.text != "as_is"
    phases.begin("reading the eval turns")
    turns = _renderable(config, encoder, eval_turns(config, read_records)) if asked else []
    batch_size = settings.per_device_eval_batch_size
    evaluator = Evaluator(encoder, data["eval"].rows, turns, config.eval.max_tokens, batch_size)
    phases.begin("loading the base")
    return make_trainer(config, encoder, data["train"].rows, evaluator, phases)


def _renderable(config: RunConfig, encoder: Encoder, turns: list[Turn]) -> list[Turn]:
    """The turns whose prompts the chat template can write; `data.unrenderable` says whether others are dropped."""
    kept: list[Turn] = []
    for turn in turns:
        try:
            encoder.prompt(turn)
            kept.append(turn)
        except Unrenderable as error:
            if config.data.unrenderable == "error":
                raise error.at(f"eval turn {turn.turn_id}", turn.session_id) from None
    if len(kept) < len(turns):
        say(f"{len(turns) - len(kept)} of {len(turns)} eval turns are left out: the chat template cannot write them")
    return kept


def _begin(
    trainer: Any, checkpoints: Checkpoints, state: RunState | None, resume: bool
) -> tuple[Path | None, RunState | None]:
    """The checkpoint to go on from, and the run's state; None where it begins."""
    checkpoint, torn = checkpoints.newest() if state else (None, [])
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        for path in torn:
            say(f"{path}: torn by a crash, skipped and removed")
            shutil.rmtree(path)
        if state and checkpoint:
            state = checkpoints.resume(state, checkpoint)
            say(f"{checkpoint}: the run goes on from here")
        elif checkpoints.begin():
            say(f"{checkpoints.folder}: the checkpoints of an older run were removed; --resume would go on from them")
        elif resume:
            say(f"{checkpoints.folder}: there is nothing to resume yet; the run begins")
    trainer.accelerator.wait_for_everyone()
    return checkpoint, state if checkpoint else None


def _figures(trainer: Any, loss: float) -> dict[str, Any]:
    from .trainer import evaluations, mean_loss

    state, best = trainer.state, trainer.args.load_best_model_at_end
    return {
        "train_loss": mean_loss(state.log_history),
        "eval_loss": loss,
        "perplexity": math.exp(loss),
        "steps": state.global_step,
        "best_step": state.best_global_step if best else None,
        "evaluations": evaluations(state.log_history),
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
    }


def _write(trainer: Any, config: RunConfig, manifest: dict[str, Any]) -> None:
    """Save and check the adapter, and only then let it and its manifest replace those of an older run.

    Between the two there is no manifest, so that an adapter never stands beside the manifest of another.
    """
    file = config.output_dir / "manifest.json"
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if trainer.sharded else None
    if not trainer.is_world_process_zero():
        return
    with replacing_folder(config.adapter_dir) as folder:
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.save_pretrained(str(folder), state_dict=weights, selected_adapters=[model.active_adapter])
        for note in check_adapter_folder(folder, config.model.base_model, config.model.revision).notes:
            say(note.replace(str(folder), str(config.adapter_dir)))
        if config.train.check_with_vllm:
            ask_vllm(folder, manifest["serve"]["rank"])
        write_card(folder, config, manifest)
        file.unlink(missing_ok=True)
    write_json(file, manifest)
