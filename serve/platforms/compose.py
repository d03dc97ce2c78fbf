"""Docker Compose: one service with vLLM's image; base and adapters of this machine are mounted read-only.

Fields are those of the Compose Specification (compose-spec/compose-spec, schema/compose-spec.json).
"""

import os
from pathlib import Path
from typing import Any

from ..start import API_KEY, Plan, flags, lora_modules
from .text import IMAGES, PORT, Output, container_environment, output

HEALTH = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=4)"
HUB_CACHE = "/root/.cache/huggingface"


def compose(plan: Plan, file: Path) -> Output:
    """The Compose file for a plan. `file` is the path it will be written to; paths in it are relative to that."""
    mounts = _mounts(plan)
    volumes: list[dict[str, Any]] = [
        {
            "type": "bind",
            "source": _relative(source, file),
            "target": target,
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for target, source in mounts.items()
    ]
    needs_hub = bool(plan.hub_ids) or not plan.base_is_local
    if needs_hub:
        volumes.append({"type": "volume", "source": "huggingface", "target": HUB_CACHE})
    document = {
        "services": {"vllm": {**_service(plan, needs_hub), "volumes": volumes}},
        **({"volumes": {"huggingface": {}}} if needs_hub else {}),
    }
    how = f"docker compose -f {file.name} up --wait   # {API_KEY} asks for a key"
    return output([_escaped(document)], _notes(plan), how)


def _escaped(value: Any) -> Any:
    """The same document for Compose, which takes `$` in any text for a variable."""
    if isinstance(value, dict):
        return {key: _escaped(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_escaped(entry) for entry in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _notes(plan: Plan) -> list[str]:
    hub = [
        f"adapter {name}: the newest revision of {hub_id}, as vLLM cannot be given one"
        for name, hub_id in plan.hub_ids.items()
    ]
    return [*hub, *(["a GPU needs the NVIDIA Container Toolkit"] if plan.device == "gpu" else [])]


def _service(plan: Plan, needs_hub: bool) -> dict[str, Any]:
    host = f"[{plan.host}]" if ":" in plan.host else plan.host
    secrets = {API_KEY: None, **({"HF_TOKEN": None} if needs_hub else {})}
    return {
        "image": IMAGES[plan.device],
        "entrypoint": ["vllm", "serve"],
        "command": _words(plan),
        "environment": {**container_environment(plan), **secrets},
        "ports": [f"{host}:{plan.port}:{PORT}"],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", HEALTH],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "30m",
        },
        "restart": "unless-stopped",
        **_device(plan),
    }


def _device(plan: Plan) -> dict[str, Any]:
    if plan.device == "cpu":
        return {"shm_size": "4gb", "cap_add": ["SYS_NICE"]}
    gpus = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    return {"ipc": "host", "deploy": {"resources": {"reservations": {"devices": [gpus]}}}}


def _words(plan: Plan) -> list[str]:
    """vLLM's arguments in the container: paths of the container, and all interfaces, as only `ports` is published."""
    template = {"chat-template": _template_target(plan)} if "chat-template" in plan.options else {}
    paths = {adapter.name: plan.hub_ids.get(adapter.name, f"/adapters/{adapter.name}") for adapter in plan.adapters}
    placed = {
        **plan.options,
        "lora-modules": lora_modules(paths, plan.served_name),
        "host": "0.0.0.0",
        "port": PORT,
        **template,
    }
    return [_base_target(plan) if plan.base_is_local else plan.base, *flags(placed)]


def _mounts(plan: Plan) -> dict[str, Path]:
    """Path in the container -> path on this machine."""
    base = {_base_target(plan): Path(plan.base)} if plan.base_is_local else {}
    local = {f"/adapters/{adapter.name}": adapter.path for adapter in plan.adapters if adapter.name not in plan.hub_ids}
    template = plan.options.get("chat-template")
    return {**base, **local, **({_template_target(plan): Path(template)} if template else {})}


def _base_target(plan: Plan) -> str:
    return f"/models/{plan.served_name}"


def _template_target(plan: Plan) -> str:
    return f"/templates/{Path(plan.options['chat-template']).name}"


def _relative(source: Path, file: Path) -> str:
    return "./" + Path(os.path.relpath(source.resolve(), file.resolve().parent)).as_posix()
