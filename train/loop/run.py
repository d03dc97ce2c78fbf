"""One training from a configuration: what is checked before, the environment, the loop, the upload after."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.console import Phases
from callproof.turns import Domain, asked_sessions, check_gold, recorded_answers, split_sessions, turns_sentence

from ..before.preflight import check_machine, check_settings
from ..rows.hub_data import read_records
from ..rows.texts import split_texts
from .processes import is_main_process, say


def run(config: RunConfig, resume: bool = False) -> dict[str, Any]:
    """Check everything that can be known before, train, and upload if `train.push_to_hub`; returns the manifest."""
    phases = Phases(config.name, say)
    phases.begin("reading and checking sessions")
    if config.data.prepared:
        check_settings(config)
    else:
        check_data(config)
    phases.begin("checking the machine")
    check_machine(config)
    prepare_libraries(config)
    with contextlib.redirect_stdout(sys.stderr):  # libraries and trackers say what they like, even when imported
        check_extra(config)
        from ..adapter.tracker import tracker_folders
        from .sft import train_adapter

        with tracker_folders(config):
            manifest = train_adapter(config, resume, phases)
    if config.train.push_to_hub and is_main_process():
        from ..adapter.push import publish

        publish(config)
    return manifest


def check_data(config: RunConfig) -> dict[str, int]:
    """Check the settings and read everything that training will read; returns how much there is."""
    check_settings(config)
    if config.data.text == "as_is":
        return {"train_texts": sum(1 for _ in split_texts(config, "train"))}
    domain, count, tools = Domain(config), 0, set[str]()
    for where, session in split_sessions(config, "train", read_records):
        catalog = domain.catalog(session, where)
        check_gold(session, catalog, where)
        domain.conversation(session, where)
        tools.update(catalog.by_name)
        count += 1
    turns = _count_turns(config)
    return {"train_sessions": count, "eval_turns": turns, "tools": len(tools)}


def _count_turns(config: RunConfig) -> int:
    """How many turns evaluation asks, which are told beside the recorded answers."""
    turns = answers = 0
    for asked in asked_sessions(config, read_records, "eval", config.eval.max_sessions):
        turns += len(asked.turns)
        answers += recorded_answers(asked.session)
    say(f"evaluation: {turns_sentence(turns, answers, config)}")
    return turns


def check_extra(config: RunConfig) -> None:
    """Check `train.extra` against the installed TRL, which is imported only where there is something to check."""
    if config.train.extra:
        from . import arguments

        arguments.check_extra(config)


def prepare_libraries(config: RunConfig) -> None:
    """Set the environment of what is imported later; sessions and adapters on the hub need the network."""
    sources = (config.data.source("train"), config.data.source("eval"))
    on_hub = any(source.startswith("hf:") for source in sources)
    quiet_libraries(config.model.base_model, hub=config.train.push_to_hub or on_hub)


def quiet_libraries(base_model: str, hub: bool = False) -> None:
    """No telemetry, few words; no hub requests for a base that lies in a folder, unless `hub` needs them."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if Path(base_model).is_dir() and not hub:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
