"""Ray Serve LLM: the configuration file of an application made by `ray.serve.llm:build_openai_app`.

Fields are those of Ray's Serve config file and of `LLMConfig` (ray-project/ray,
python/ray/llm/_internal/serve/core/configs/llm_config.py, doc/source/serve/llm/user-guides). Ray loads an adapter from
`<dynamic_lora_loading_path>/<adapter>` on the first request for it, and requires `max_loras` and
`max_num_adapters_per_replica` to be equal.
"""

from typing import Any

from ..start import API_KEY, Plan
from .text import Output, container_environment, output, store, to_copy

OF_RAY = ("lora-modules", "served-model-name", "host", "port", "max-cpu-loras")


def ray(plan: Plan, store_uri: str | None) -> Output:
    """The file for a plan.

    Args:
        store_uri: an object store with one folder for each adapter, and one for the base if that is on this machine.

    Raises:
        UserError: the store is missing or is no object store.
    """
    place = store(store_uri, ("s3", "gs", "abfss", "azure"), "Ray loads adapters from an object store")
    slots = plan.options["max-loras"]
    source = {"bucket_uri": place.place(plan.served_name)} if plan.base_is_local else plan.base
    config: dict[str, Any] = {
        "model_loading_config": {"model_id": plan.served_name, "model_source": source},
        "lora_config": {"dynamic_lora_loading_path": place.uri.rstrip("/"), "max_num_adapters_per_replica": slots},
        "engine_kwargs": _engine(plan),
        "deployment_config": {"num_replicas": 1},
        "runtime_env": {"env_vars": container_environment(plan)},
        "placement_group_config": {"bundles": [{"CPU": 1, **({"GPU": 1} if plan.device == "gpu" else {})}]},
    }
    document = {
        "http_options": {"host": plan.host, "port": plan.port},
        "applications": [
            {
                "name": "callproof",
                "route_prefix": "/",
                "import_path": "ray.serve.llm:build_openai_app",
                "args": {"llm_configs": [config]},
            }
        ],
    }
    return output([document], _notes(plan, to_copy(plan, place), place.uri), "serve deploy FILE")


def _engine(plan: Plan) -> dict[str, Any]:
    options = {key: value for key, value in plan.options.items() if key not in OF_RAY}
    return {key.replace("-", "_"): value for key, value in options.items()}


def _notes(plan: Plan, copies: list[str], store_uri: str) -> list[str]:
    names = ", ".join(f"{plan.served_name}:{adapter.name}" for adapter in plan.adapters)
    hub = [f"copy {hub_id} to {store_uri.rstrip('/')}/{name} first" for name, hub_id in plan.hub_ids.items()]
    files = (
        [f"put {plan.options['chat-template']} at that path on every node"] if "chat-template" in plan.options else []
    )
    return [
        *copies,
        *hub,
        *files,
        f"Ray prefixes adapters with the name of the base, which cannot be changed: clients ask for {names}",
        f"Ray Serve does not check API keys: {API_KEY} has no effect, put a gateway in front",
    ]
