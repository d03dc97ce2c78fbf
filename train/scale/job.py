"""What the files for all schedulers share: the command of a node, the configuration it reads, what to copy first."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callproof.config import RunConfig, names_folder
from callproof.errors import UserError
from callproof.records import headed_yaml

PORT = 29500
"""On which the first node waits for the others."""
CONFIG = "CALLPROOF_CONFIG"
"""The environment variable that carries the configuration, where a scheduler has no files of its own."""


@dataclass(frozen=True)
class Placement:
    """Where a job runs.

    Attributes:
        nodes: machines, each with `gpus` GPUs.
        gpu: name of the kind of GPU, for schedulers that choose the machine by it.
        store: what all nodes see, and where data is read and outputs are kept.
        image: container image with callproof in it, for schedulers that take one.
    """

    nodes: int
    gpus: int
    gpu: str | None = None
    store: str | None = None
    image: str | None = None


@dataclass(frozen=True)
class Job:
    """The text of a scheduler's file; `notes` are for the user, and stand in its head where it may hold comments."""

    text: str
    notes: tuple[str, ...] = ()


def launch(placement: Placement, config: str, rank: str, head: str) -> str:
    """The shell command that trains on one node.

    Args:
        config: path of the configuration on the node.
        rank: shell word for the number of the node, from 0.
        head: shell word for the address of the first node.
    """
    train = f"callproof.train --config {shlex.quote(config)} --resume"
    processes = placement.nodes * placement.gpus
    if processes == 1:
        return f"python -m {train}"
    words = ["accelerate launch", f"--num_machines {placement.nodes}", f"--num_processes {processes}"]
    if placement.nodes > 1:
        words += [f"--machine_rank {rank}", f"--main_process_ip {head}", f"--main_process_port {PORT}"]
    return " ".join([*words, "--multi_gpu --mixed_precision no --dynamo_backend no", f"-m {train}"])


def config_file(config: RunConfig) -> str:
    """Where a node keeps the configuration that came in `CONFIG`."""
    return f"/tmp/callproof-{label(config.name)}.yaml"


def to_copy(config: RunConfig) -> list[str]:
    """A line for each folder of this machine that the job reads; absolute paths are refused.

    Raises:
        UserError: a path begins at the root of this machine, or leads out of the working directory.
    """
    base = config.model.base_model
    local = names_folder(base)
    paths = {
        "data.domain": config.data.domain,
        "data.tools": config.data.tools_path if config.data.tools else None,
        "data.system_prompt": config.data.prompt_path if config.data.system_prompt else None,
        "data.prepared": config.data.prepared,
        "prompt.preamble": None if config.prompt.preamble == "builtin" else config.prompt.preamble_file,
        "prompt.question": config.prompt.question,
        "model.base_model": Path(base) if local else None,
        "model.lora_path": config.model.lora_path,
        "model.chat_template": config.model.chat_template if isinstance(config.model.chat_template, Path) else None,
        "train.output_dir": config.output_dir,
    }
    listed = [(f"data.{split}", source) for split in ("train", "eval") for source in config.data.sources(split)]
    places = [*paths.items(), *((key, _beside_domain(source, config.data.domain)) for key, source in listed)]
    for key, path in places:
        if path and (path.is_absolute() or ".." in path.parts):
            raise UserError(f"{key}: {path}", "is a path of this machine alone", "make it relative to the store")
    module = config.data.load_module
    code = [f"the module {module} must be importable on every node (data.load_module)"] if module else []
    read = [(key, path) for key, path in places if path and key != "train.output_dir"]
    return code + [f"copy {path} to the store first, under that path ({key})" for key, path in read]


def _beside_domain(source: str, domain: Path | None) -> Path | None:
    """The path of sessions that do not lie in the domain folder; None of others, of URLs and of the hub's."""
    if source.startswith("hf:") or "://" in source or (domain and Path(source).is_relative_to(domain)):
        return None
    return Path(source)


def label(name: str) -> str:
    """A name that schedulers accept: at most 40 lower-case letters, digits and dashes, a letter first."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return text if text[:1].isalpha() else f"train-{text}".strip("-")


def documents(parts: list[dict[str, Any]], how_to: str, notes: list[str]) -> Job:
    """YAML documents under a head of comments: the command that uses the file, then the notes."""
    return Job(headed_yaml(parts, [how_to, *notes]), tuple(notes))


def require(value: str | None, option: str, why: str, pattern: str) -> str:
    """The value of an option that a scheduler needs.

    Raises:
        UserError: there is none, or it is of another form.
    """
    if value is None:
        raise UserError(option, f"is needed: {why}", f"give {option} ...")
    if not re.fullmatch(pattern, value):
        raise UserError(f"{option} {value}", f"expected what {why}", "correct it")
    return value
