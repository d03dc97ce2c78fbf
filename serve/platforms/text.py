"""What the texts for all platforms have in common: head, images, places outside this machine."""

import re
from pathlib import Path
from typing import Any, Literal

import yaml

from callproof.errors import UserError
from callproof.records import Record

from ..start import VLLM_VERSION, Device, Plan, environment

IMAGES: dict[Device, str] = {
    "gpu": f"vllm/vllm-openai:v{VLLM_VERSION}",
    "cpu": f"vllm/vllm-openai-cpu:v{VLLM_VERSION}",
}
PORT = 8000
"""Of vLLM inside a container; what is published outside is the plan's."""

Scheme = Literal["s3", "gs", "abfss", "azure", "pvc", "hf"]


class Output(Record):
    """A file for a platform; `notes` are for people, and stand in its head too."""

    text: str
    notes: tuple[str, ...] = ()


def output(documents: list[dict[str, Any]], notes: list[str], how_to: str) -> Output:
    """YAML documents under a head of comments."""
    head = "".join(f"# {line}\n" for line in (how_to, *notes))
    body = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000)
    return Output(text=head + body, notes=tuple(notes))


def container_environment(plan: Plan) -> dict[str, str]:
    """As on this machine, but that the container may have to fetch adapters from the hub."""
    variables = environment(plan)
    return {key: value for key, value in variables.items() if not (plan.hub_ids and key == "HF_HUB_OFFLINE")}


class Store(Record):
    """Where a cluster finds what lies on this machine: one folder a model, named as it is served."""

    uri: str

    def place(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"


def store(uri: str | None, schemes: tuple[Scheme, ...], why: str) -> Store:
    """The store of `--store`.

    Raises:
        UserError: it is not given and is needed, or is of a kind that the platform cannot read.
    """
    forms = " or ".join(f"{scheme}://" for scheme in schemes)
    if uri is None:
        raise UserError("--store", f"is needed: {why}", f"give {forms}...")
    if not re.fullmatch(rf"({'|'.join(schemes)})://[^/\s]+(/[^\s]*)?", uri):
        raise UserError(f"--store {uri}", "is of a form that the platform does not read", f"give {forms}...")
    return Store(uri=uri)


def to_copy(plan: Plan, place: Store) -> list[str]:
    """Which folders of this machine have to be copied to the store first."""
    local: list[tuple[str, Path]] = [(plan.served_name, Path(plan.base))] if plan.base_is_local else []
    local += [(adapter.name, adapter.path) for adapter in plan.adapters if adapter.name not in plan.hub_ids]
    return [f"copy {folder} to {place.place(name)} first" for name, folder in local]
