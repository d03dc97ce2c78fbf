"""One server for several configurations: what they must agree on, and the vLLM options that follow."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import Record, read_text
from callproof.servable import allowed_rank
from serve.adapters import Adapter, check_adapter

Device = Literal["cpu", "gpu"]
ONE_PER_SERVER = ("model.base_model", "model.name", "model.revision", "model.chat_template")


class Plan(Record):
    """A server that vLLM can start: `options` are its command-line options without `--`, in order."""

    base: str
    served_name: str
    host: str
    port: int
    adapters: tuple[Adapter, ...]
    options: dict[str, Any]

    @property
    def base_is_local(self) -> bool:
        return Path(self.base).is_dir()

    @property
    def url(self) -> str:
        """Where a client on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def make_plan(
    configs: Sequence[tuple[Path, RunConfig]], device: Device, host: str | None = None, port: int | None = None
) -> Plan:
    """Check configurations and adapters and derive the server; `host` and `port` override the configurations'.

    Raises:
        UserError: two configurations disagree, an adapter is missing or one that vLLM refuses, or the base is missing.
    """
    config_path, config = configs[0]
    for other_path, other in configs[1:]:
        _agree(config_path, config, other_path, other, overridden={"host": host, "port": port})
    _check_names(configs)
    _check_base(config_path, config)
    adapters = tuple(check_adapter(path, each) for path, each in configs)
    for path, each in configs:
        _check_template(path, each)
    host, port = host or config.serve.host, port or config.serve.port
    return Plan(
        base=config.model.base_model,
        served_name=config.model.served_name,
        host=host,
        port=port,
        adapters=adapters,
        options={**_lora(adapters, config, device), **_server(config, host, port), **_engine(config, device)},
    )


def _lora(adapters: tuple[Adapter, ...], config: RunConfig, device: Device) -> dict[str, Any]:
    """On a CPU one slot stays free: vLLM 0.32 gives base rows the last slot's weights, and a free slot holds zeros."""
    slots = len(adapters) + (device == "cpu")
    highest = max(adapter.rank for adapter in adapters)
    modules = [
        {"name": adapter.name, "path": str(adapter.path), "base_model_name": config.model.served_name}
        for adapter in adapters
    ]
    return {
        "enable-lora": True,
        "lora-modules": [json.dumps(module, ensure_ascii=False) for module in modules],
        "max-loras": slots,
        "max-cpu-loras": slots,
        "max-lora-rank": allowed_rank(highest),
    }


def _server(config: RunConfig, host: str, port: int) -> dict[str, Any]:
    template = {"chat-template": str(config.model.chat_template)} if config.model.chat_template else {}
    return {
        "served-model-name": config.model.served_name,
        "host": host,
        "port": port,
        "enable-auto-tool-choice": True,
        "tool-call-parser": config.serve.tool_call_parser,
        **template,
    }


def _engine(config: RunConfig, device: Device) -> dict[str, Any]:
    """`generation-config vllm`: sampling is what the request says, without defaults hidden in the base's folder."""
    serve = config.serve
    revision = {"revision": config.model.revision} if config.model.revision else {}
    cache = {"kv-cache-memory-bytes": serve.cpu_kvcache_gib * 2**30} if device == "cpu" else {}
    dtype = "float32" if device == "cpu" and serve.dtype == "auto" else serve.dtype
    return {
        **revision,
        "dtype": dtype,
        "max-model-len": serve.max_model_len,
        "max-num-seqs": serve.max_num_seqs,
        "max-num-batched-tokens": max(serve.max_num_batched_tokens, serve.max_num_seqs),
        "enable-prefix-caching": True,
        "generation-config": "vllm",
        **cache,
    }


def _agree(
    path: Path, config: RunConfig, other_path: Path, other: RunConfig, overridden: dict[str, object | None]
) -> None:
    shared = [f"serve.{key}" for key in type(config.serve).model_fields if overridden.get(key) is None]
    for key in (*ONE_PER_SERVER, *shared):
        mine, yours = _value(config, key), _value(other, key)
        if mine != yours:
            problem = f"{key} is {yours!r}, but {path} has {mine!r}, and one server has one"
            raise UserError(other_path, problem, "make them equal, or start two servers")


def _value(config: RunConfig, key: str) -> str | None:
    section, field = key.split(".")
    value = config.model.served_name if key == "model.name" else getattr(getattr(config, section), field)
    return None if value is None else str(value)


def _check_names(configs: Sequence[tuple[Path, RunConfig]]) -> None:
    taken = {configs[0][1].model.served_name: "the base model"}
    for path, config in configs:
        if config.name in taken:
            raise UserError(path, f"name {config.name!r} is also that of {taken[config.name]}", "give it another name")
        taken[config.name] = str(path)


def _check_base(config_path: Path, config: RunConfig) -> None:
    """A local base must be there; `models/x` beside an existing folder `models` is no hub id that has yet to come."""
    base, where = Path(config.model.base_model), f"{config_path}: model.base_model"
    if base.is_dir():
        if not (base / "config.json").is_file():
            raise UserError(where, f"{base} holds no model (config.json is missing)", "make it, or correct the path")
    elif len(base.parts) != 2 or base.parent.is_dir():
        raise UserError(where, f"there is no folder {base}", "correct the path, or name a hub id such as owner/model")
    template = config.model.chat_template
    if template and not template.is_file():
        raise UserError(f"{config_path}: model.chat_template", f"there is no file {template}", "correct the path")


def _check_template(config_path: Path, config: RunConfig) -> None:
    """The template that will be served is the one that the manifest says training used."""
    manifest = config.output_dir / "manifest.json"
    served = config.model.chat_template or Path(config.model.base_model) / "chat_template.jinja"
    if not (manifest.is_file() and served.is_file()):
        return
    try:
        trained = json.loads(read_text(manifest))["sha256"]["chat_template"]
    except (ValueError, LookupError, TypeError):
        raise UserError(manifest, "is no manifest", f"train again: python -m train --config {config_path}") from None
    if trained != hashlib.sha256(read_text(served).encode()).hexdigest():
        problem = f"the adapter was trained with another chat template than {served}"
        raise UserError(manifest, problem, f"set model.chat_template in {config_path}, or train again")
