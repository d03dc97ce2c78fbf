"""Where the adapters of a server come from: configurations, output folders, adapter folders, hub repositories.

--config configs/car_sales.yaml      the adapter that this configuration trains
--adapter cars=outputs/car_sales     an output folder: what its manifest.json says is served
--adapter cars=some/folder           a folder with adapter_config.json; its base is the one written there
--adapter cars=owner/repo            a hub repository, downloaded (or taken from the hub's cache) to be checked
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from callproof.config import NAME_PATTERN, RunConfig, load
from callproof.errors import UserError
from callproof.records import explain, read_object

TRAIN_AGAIN = "train again, or name the adapter's own folder"
NAME_BASE = "write base_model_name_or_path into it, or save the adapter again with PEFT"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Source:
    """One adapter that is to be served.

    Attributes:
        where: the file that errors name.
        config: the adapter's configuration, with the name that it is served under.
        folder: the adapter's files on this machine.
        hub_id: of an adapter that comes from the hub.
        manifest: the file that training wrote about the adapter, if there is one.
        facts: for an adapter without a configuration, the settings that are known of it (by key, such as
            `model.base_model`). The server must agree with them; all other settings are free.
        trained_on: the base that it names, where another one is to be served in its place.
    """

    where: Path
    config: RunConfig
    folder: Path
    hub_id: str | None = None
    manifest: Path | None = None
    facts: dict[str, str | None] | None = field(default=None)
    trained_on: str | None = None

    @property
    def name(self) -> str:
        return self.config.name


def on_base(source: Source, base: str) -> Source:
    """The same adapter, to be served on a base of another name."""
    model = source.config.model.model_copy(update={"base_model": base, "revision": None})
    facts = None if source.facts is None else {**source.facts, "model.base_model": base}
    if facts:
        facts.pop("model.revision", None)
    config = source.config.model_copy(update={"model": model})
    return replace(source, config=config, facts=facts, trained_on=source.config.model.base_model)


def of_config(path: Path, overrides: Sequence[str] = ()) -> Source:
    """The adapter that a configuration trains, whether or not it has been trained; raises what `load` raises."""
    config = load(path, overrides)
    manifest = config.output_dir / "manifest.json"
    return Source(path, config, config.adapter_dir, manifest=manifest if manifest.is_file() else None)


def of_option(text: str) -> Source:
    """The adapter of `--adapter NAME=PLACE`.

    Raises:
        UserError: the option has another form, there is nothing at PLACE, or its manifest.json or adapter_config.json
            lacks what is needed.
    """
    name, _, place = text.partition("=")
    option = f"--adapter {text}"
    if not re.fullmatch(NAME_PATTERN, name) or not place:
        raise UserError(option, "expected NAME=FOLDER or NAME=owner/repository", "name it, as in cars=outputs/cars")
    folder = Path(place)
    if folder.is_dir():
        return _of_folder(name, folder, option)
    if len(folder.parts) != 2 or folder.parent.is_dir() or place.startswith(("/", ".")):
        raise UserError(option, f"there is no folder {place}", "correct the path, or name a hub id such as owner/model")
    return _of_settings(name, _downloaded(place, option), place)


def _of_folder(name: str, folder: Path, option: str) -> Source:
    if (folder / "manifest.json").is_file():
        return _of_manifest(name, folder / "manifest.json", folder / "adapter")
    if not (folder / ADAPTER_FILES[0]).is_file():
        problem = f"{folder} holds neither manifest.json nor {ADAPTER_FILES[0]}"
        raise UserError(option, problem, "give the folder that training wrote, or the adapter's own")
    beside = folder.parent / "manifest.json"
    return _of_manifest(name, beside, folder) if beside.is_file() else _of_settings(name, folder, None)


def _of_manifest(name: str, manifest: Path, folder: Path) -> Source:
    try:
        content = read_object(manifest, TRAIN_AGAIN)
        serve, values = dict(content["serve"]), dict(content["config"])
        facts = {
            "model.base_model": serve["base_model"],
            "model.revision": serve["revision"],
            "serve.tool_call_parser": serve["tool_call_parser"],
        }
    except (ValueError, LookupError, TypeError):
        raise UserError(manifest, "is no manifest", TRAIN_AGAIN) from None
    values["name"] = name
    for key, value in facts.items():
        section, entry = key.split(".")
        values[section] = {**(values.get(section) or {}), entry: value}
    values["model"]["trust_remote_code"] = False  # a manifest may come from anywhere
    return Source(manifest, _config(manifest, values), folder, manifest=manifest, facts=facts)


def _of_settings(name: str, folder: Path, hub_id: str | None) -> Source:
    file = folder / ADAPTER_FILES[0]
    try:
        settings = read_object(file, NAME_BASE)
        base, revision = settings["base_model_name_or_path"], settings.get("revision")
    except (ValueError, LookupError, TypeError, AttributeError):
        base = revision = None
    if not isinstance(base, str) or not base:
        raise UserError(file, "does not say its base model", NAME_BASE)
    values = {"name": name, "data": {"domain": folder}, "model": {"base_model": base, "revision": revision}}
    facts = {"model.base_model": base, **({"model.revision": revision} if revision else {})}
    return Source(file, _config(file, values), folder, hub_id=hub_id, facts=facts)


def _config(where: Path, values: dict[str, Any]) -> RunConfig:
    try:
        return RunConfig(**values)
    except (ValidationError, TypeError) as error:
        problem = explain(error) if isinstance(error, ValidationError) else str(error)
        raise UserError(where, problem, "train again, or write a configuration and give it with --config") from None


def _downloaded(hub_id: str, option: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise UserError(option, "is of the hub, and huggingface_hub is not installed", "run make setup") from None
    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(ADAPTER_FILES)))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        problem = f"the hub does not give {hub_id} ({str(error).splitlines()[0][:120]})"
        raise UserError(option, problem, "correct the id, or download it and name the folder") from None
