"""What the files for all platforms share: head, images, and the store for folders of this machine."""

import re
from pathlib import Path
from typing import Any, Literal

from callproof.errors import UserError
from callproof.records import Record, headed_yaml

from ..start import VLLM_VERSION, Device, Plan, environment

IMAGES: dict[Device, str] = {
    "gpu": f"vllm/vllm-openai:v{VLLM_VERSION}",
    "cpu": f"vllm/vllm-openai-cpu:v{VLLM_VERSION}",
}
PORT = 8000
"""vLLM's port inside a container; the plan's port is the one that is published."""

Scheme = Literal["s3", "gs", "abfss", "azure", "pvc", "hf"]


class Output(Record):
    """The text of a file for a platform. `notes` are for the user, and are in the head of `text` as well."""

    text: str
    notes: tuple[str, ...] = ()


def output(documents: list[dict[str, Any]], notes: list[str], how_to: str) -> Output:
    """YAML documents under a head of comments: the command that uses the file, then the notes."""
    return Output(text=headed_yaml(documents, [how_to, *notes]), notes=tuple(notes))


def container_environment(plan: Plan) -> dict[str, str]:
    """The environment as on this machine, except that adapters of the hub need network access."""
    variables = environment(plan)
    return {key: value for key, value in variables.items() if not (plan.hub_ids and key == "HF_HUB_OFFLINE")}


class Store(Record):
    """The place where a cluster finds copies of this machine's folders: one for each model, named as it is served."""

    uri: str

    def place(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"


def store(uri: str | None, schemes: tuple[Scheme, ...], why: str) -> Store:
    """The store of `--store`.

    Args:
        uri: of the option; None if it was not set.
        schemes: that the platform can read.
        why: a store is needed, for the error.

    Raises:
        UserError: there is none, or the platform cannot read its kind.
    """
    forms = " or ".join(f"{scheme}://" for scheme in schemes)
    if uri is None:
        raise UserError("--store", f"is needed: {why}", f"give {forms}...")
    if not re.fullmatch(rf"({'|'.join(schemes)})://[^/\s]+(/[^\s]*)?", uri):
        raise UserError(f"--store {uri}", "is not a store that this platform can read", f"give {forms}...")
    return Store(uri=uri)


def to_copy(plan: Plan, place: Store) -> list[str]:
    """A line for each folder of this machine that has to be copied to the store first."""
    local: list[tuple[str, Path]] = [(plan.served_name, Path(plan.base))] if plan.base_is_local else []
    local += [(adapter.name, adapter.path) for adapter in plan.adapters if adapter.name not in plan.hub_ids]
    return [f"copy {folder} to {place.place(name)} first" for name, folder in local]
