"""Plans one server for several adapters: checks what they must agree on, and derives vLLM's options."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from callproof.config import ModelConfig, ServeConfig, allowed_rank, template_sha256
from callproof.errors import UserError
from callproof.records import Record, read_object
from callproof.turns import ServedTemplate, chat_template, spells_by_neighbours

from .adapter_sources import Source, on_base
from .adapters import Adapter, check_adapter
from .elsewhere import compared
from .guided import UNGUIDED
from .guided import warning as cannot_guide
from .parsers import KEYS, check_parser, tool_call_parser

Device = Literal["cpu", "gpu"]
_OF_THE_BASE = ("base_model", "name", "revision", "chat_template", "trust_remote_code")
ONE_PER_SERVER = tuple(f"model.{key}" for key in _OF_THE_BASE)


class Plan(Record):
    """One server, ready to be started by vLLM.

    Attributes:
        base: folder or hub id of the base model.
        adapters: with their folders on this machine.
        hub_ids: adapter name -> hub id, for the adapters that come from the hub.
        options: vLLM's command-line options without `--`, in order.
        runtime_loads: how many more adapters may be loaded while the server runs; 0 switches that off.
        guided: whether a grammar can guide the base, see serve/start/guided.py.
        warnings: lines for the user.
    """

    base: str
    served_name: str
    revision: str | None = None
    host: str
    port: int
    device: Device
    adapters: tuple[Adapter, ...]
    hub_ids: dict[str, str] = Field(default_factory=dict)
    options: dict[str, Any]
    runtime_loads: int = 0
    guided: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def base_is_local(self) -> bool:
        return Path(self.base).is_dir()

    @property
    def url(self) -> str:
        """The address at which a client on this machine reaches the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def make_plan(
    sources: Sequence[Source], device: Device, *, base: str | None = None, runtime_loads: int = 0, **overrides: Any
) -> Plan:
    """Check the sources against each other and against vLLM's limits, and plan the server.

    Args:
        sources: the adapters; the `serve` section of the first one is used.
        device: what the server will run on.
        base: folder or hub id to serve them on, whatever base they name; they are compared with it.
        runtime_loads: how many more adapters may be loaded while the server runs; each takes a slot.
        overrides: fields of `ServeConfig` from the command line; None leaves the configuration's value.

    Raises:
        UserError: two sources disagree, an adapter is missing or refused by vLLM, the base is missing, or an adapter
            was trained with another chat template.
    """
    settings = {key: value for key, value in overrides.items() if value is not None}
    sources = [on_base(source, base) if base else source for source in (_with(s, settings) for s in sources)]
    lead = sources[0]
    for other in sources[1:]:
        _agree(lead, other)
    _check_names(sources)
    _check_base(lead)
    serve = lead.config.serve
    _check_length(lead, serve.max_model_len)
    adapters = tuple(check_adapter(s.where, s.config, s.folder, s.trained_on) for s in sources)
    served = chat_template(lead.config.model)
    for source in sources:
        _check_template(source, lead, served)
    parser, model = tool_call_parser(sources), lead.config.model
    guided = not spells_by_neighbours(model)
    if serve.reasoning_parser:
        check_parser("reasoning", serve.reasoning_parser, lead.where)
    return Plan(
        base=model.base_model,
        served_name=model.served_name,
        revision=model.revision,
        host=serve.host,
        port=serve.port,
        device=device,
        adapters=adapters,
        hub_ids={source.name: source.hub_id for source in sources if source.hub_id},
        options={
            **_lora(adapters, model.served_name, device, runtime_loads),
            **_server(lead, serve, parser.name),
            **_engine(model, serve, device),
            **({} if guided else UNGUIDED),
        },
        runtime_loads=runtime_loads,
        guided=guided,
        warnings=(
            *filter(None, [parser.warning, None if guided else cannot_guide(model.base_model)]),
            *(note for adapter in adapters for note in adapter.notes),
            *(compared(source, served) for source in sources if source.trained_on),
        ),
    )


def with_absolute_paths(plan: Plan) -> Plan:
    """The same plan for a file that may be used from any folder."""
    adapters = tuple(adapter.model_copy(update={"path": adapter.path.absolute()}) for adapter in plan.adapters)
    modules = lora_modules({adapter.name: str(adapter.path) for adapter in adapters}, plan.served_name)
    options = {**plan.options, "lora-modules": modules}
    if template := options.get("chat-template"):
        options["chat-template"] = str(Path(template).absolute())
    base = str(Path(plan.base).absolute()) if plan.base_is_local else plan.base
    return plan.model_copy(update={"base": base, "adapters": adapters, "options": options})


def lora_modules(paths: Mapping[str, str], served_name: str) -> list[str]:
    """The values of `--lora-modules`: one JSON object for each name -> folder or hub id."""
    modules = ({"name": name, "path": path, "base_model_name": served_name} for name, path in paths.items())
    return [json.dumps(module, ensure_ascii=False) for module in modules]


def _lora(adapters: tuple[Adapter, ...], served_name: str, device: Device, runtime_loads: int) -> dict[str, Any]:
    """The LoRA options.

    On a CPU one slot stays free: vLLM 0.32 applies the last slot's weights to rows of the base, and a free slot holds
    zeros.
    """
    slots = len(adapters) + runtime_loads + (device == "cpu")
    highest = max(adapter.rank for adapter in adapters)
    return {
        "enable-lora": True,
        "lora-modules": lora_modules({adapter.name: str(adapter.path) for adapter in adapters}, served_name),
        "max-loras": slots,
        "max-cpu-loras": slots,
        "max-lora-rank": allowed_rank(highest),
    }


def _server(lead: Source, serve: ServeConfig, parser: str) -> dict[str, Any]:
    """The options of the interface.

    Training gives templates text as text. vLLM by itself would give it as a list of parts to templates that also take
    pictures, and some write that differently: Gemma 4's puts a space behind it.
    """
    model = lead.config.model
    template = {"chat-template": str(model.template_file)} if model.template_file else {}
    return {
        "served-model-name": model.served_name,
        "host": serve.host,
        "port": serve.port,
        "enable-auto-tool-choice": True,
        "tool-call-parser": parser,
        **({"reasoning-parser": serve.reasoning_parser} if serve.reasoning_parser else {}),
        **template,
        "chat-template-content-format": "string",
    }


def _engine(model: ModelConfig, serve: ServeConfig, device: Device) -> dict[str, Any]:
    """The engine's options. `generation-config: vllm` keeps sampling defaults in the base's folder from being used."""
    cache = {"kv-cache-memory-bytes": serve.cpu_kvcache_gib * 2**30} if device == "cpu" else {}
    dtype = "float32" if device == "cpu" and serve.dtype == "auto" else serve.dtype
    return {
        **({"revision": model.revision} if model.revision else {}),
        **({"trust-remote-code": True} if model.trust_remote_code else {}),
        "dtype": dtype,
        "max-model-len": serve.max_model_len,
        "max-num-seqs": serve.max_num_seqs,
        "max-num-batched-tokens": max(serve.max_num_batched_tokens, serve.max_num_seqs),
        "enable-prefix-caching": True,
        "generation-config": "vllm",
        **cache,
    }


def _with(source: Source, settings: Mapping[str, Any]) -> Source:
    """A source whose section `serve` has these settings."""
    serve = source.config.serve.model_copy(update=settings)
    return replace(source, config=source.config.model_copy(update={"serve": serve}))


def _agree(lead: Source, other: Source) -> None:
    """Refuse two sources that differ in a setting of which a server has only one.

    Of an adapter without a configuration, only its known facts are compared.
    """
    shared = (*ONE_PER_SERVER, *(f"serve.{key}" for key in ServeConfig.model_fields))
    for key in shared if other.facts is None else other.facts:
        if key == KEYS["tool_parsers"]:
            continue  # see tool_call_parser
        mine, yours = _value(lead, key), _value(other, key)
        if mine != yours:
            problem = f"{key} is {yours!r}, but {lead.where} has {mine!r}, and a server has only one"
            raise UserError(other.where, problem, "make them equal, or start two servers")


def _value(source: Source, key: str) -> str | None:
    section, field = key.split(".")
    config = source.config
    if key == "model.name":
        return config.model.served_name
    if key == "model.base_model":
        return str(Path(config.model.base_model))
    value = getattr(getattr(config, section), field)
    return None if value is None else str(value)


def _check_names(sources: Sequence[Source]) -> None:
    taken = {sources[0].config.model.served_name: "the base model"}
    for source in sources:
        if source.name in taken:
            problem = f"name {source.name!r} is also that of {taken[source.name]}"
            raise UserError(source.where, problem, "give it another name")
        taken[source.name] = str(source.where)


def _check_base(lead: Source) -> None:
    """A local base must exist. `models/x` is not taken for a hub id if there is a folder `models`."""
    model = lead.config.model
    base, where = Path(model.base_model), f"{lead.where}: model.base_model"
    if base.is_dir():
        if not (base / "config.json").is_file():
            raise UserError(where, f"{base} holds no model (config.json is missing)", "make it, or correct the path")
    elif len(base.parts) != 2 or base.parent.is_dir():
        raise UserError(where, f"there is no folder {base}", "correct the path, or name a hub id such as owner/model")
    if model.template_file and not model.template_file.is_file():
        problem = f"there is no file {model.chat_template}"
        raise UserError(f"{lead.where}: model.chat_template", problem, "correct the path")


def _check_length(lead: Source, wanted: int) -> None:
    """Refuse a `max_model_len` above the base's positions, as vLLM does, unless the base scales its positions."""
    settings = _json_object(Path(lead.config.model.base_model) / "config.json")
    scaling = settings.get("rope_scaling") or settings.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default")) if isinstance(scaling, dict) else "default"
    positions = settings.get("max_position_embeddings")
    if kind == "default" and isinstance(positions, int) and wanted > positions:
        problem = f"serve.max_model_len is {wanted}, but the base has {positions} positions"
        raise UserError(lead.where, problem, f"set at most {positions}, or give --max-model-len")


def _check_template(source: Source, lead: Source, served: ServedTemplate | None) -> None:
    """Refuse an adapter whose manifest names another chat template (by its hash) than the one to be served."""
    if source.manifest is None or served is None:
        return
    where, text = served
    mend = f"train again: callproof train --config {source.where}" if source.facts is None else "train again"
    try:
        trained = read_object(source.manifest, mend)["sha256"]["chat_template"]
    except (ValueError, LookupError, TypeError):
        raise UserError(source.manifest, "is no manifest", mend) from None
    if trained != template_sha256(text):
        problem = f"the adapter was trained with another chat template than {where}"
        mend = f"set model.chat_template in {lead.where}, or train again"
        raise UserError(source.manifest, problem, mend)


def _json_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file of the base; empty if there is no such file."""
    return read_object(file, "copy the base model again") if file.is_file() else {}
