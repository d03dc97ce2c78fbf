"""The published rules that the texts for other platforms must keep, as far as those texts use them.

COMPOSE: Compose Specification, compose-spec/compose-spec, schema/compose-spec.json: every object named here refuses
further keys, as there. KSERVE: serving.kserve.io/v1alpha2, kserve/kserve, llm_inference_service_types.go and its
validation: schemes and names of adapters, minima, Kubernetes' own rules of names, pods, environment. RAY: Ray's Serve
config file and `LLMConfig`, ray-project/ray, llm_config.py and doc/source/serve/llm/user-guides/configuration.md.
"""

from typing import Any

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
DURATION = {"type": "string", "pattern": r"^(\d+(us|ms|s|m|h))+$"}
DNS_LABEL = {"type": "string", "pattern": r"^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """An object that refuses further keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_BIND = closed(
    ("type", "source", "target"),
    type={"enum": ["bind", "volume"]},
    source=TEXT,
    target={"type": "string", "pattern": "^/"},
    read_only={"type": "boolean"},
    bind=closed(create_host_path={"type": "boolean"}),
)
_DEVICES = closed(("capabilities",), driver=TEXT, count={"enum": ["all"]}, capabilities=TEXTS)
_SERVICE = closed(
    ("image", "command", "ports", "healthcheck"),
    image=TEXT,
    entrypoint=TEXTS,
    command={"type": "array", "items": {"type": "string", "pattern": r"^([^$]|\$\$)*$"}},
    environment={"type": "object", "patternProperties": {".+": {"type": ["string", "number", "boolean", "null"]}}},
    ports={"type": "array", "items": {"type": "string", "pattern": r"^(\[[^]]+\]|[^:]+):\d+:\d+$"}},
    healthcheck=closed(
        ("test",),
        test={"type": "array", "prefixItems": [{"enum": ["CMD", "CMD-SHELL", "NONE"]}], "items": {"type": "string"}},
        interval=DURATION,
        timeout=DURATION,
        start_period=DURATION,
        retries={"type": "number"},
    ),
    restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    volumes={"type": "array", "items": _BIND},
    shm_size={"type": "string", "pattern": r"^\d+(b|k|m|g|kb|mb|gb)$"},
    ipc={"enum": ["host", "shareable", "none"]},
    cap_add={**TEXTS, "uniqueItems": True},
    deploy=closed(resources=closed(reservations=closed(devices={"type": "array", "items": _DEVICES}))),
)
COMPOSE = closed(
    ("services",),
    services={"type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": _SERVICE}, "additionalProperties": False},
    volumes={"type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": closed()}, "additionalProperties": False},
)

_SECRET = closed(("name", "key"), name=DNS_LABEL, key=TEXT, optional={"type": "boolean"})
_VARIABLE = {
    **closed(
        ("name",),
        name={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        value={"type": "string"},
        valueFrom=closed(("secretKeyRef",), secretKeyRef=_SECRET),
    ),
    "oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
}
_PROBE = closed(
    ("httpGet",),
    httpGet=closed(("port",), path=TEXT, port={"type": "integer"}, scheme={"enum": ["HTTP", "HTTPS"]}),
    initialDelaySeconds={"type": "integer", "minimum": 0},
    periodSeconds={"type": "integer", "minimum": 1},
    timeoutSeconds={"type": "integer", "minimum": 1},
    failureThreshold={"type": "integer", "minimum": 1},
)
_AMOUNTS = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+(m|Mi|Gi)?$"}}
_CONTAINER = closed(
    ("name", "image"),
    name={"const": "main"},
    image=TEXT,
    env={"type": "array", "items": _VARIABLE},
    resources=closed(limits=_AMOUNTS, requests=_AMOUNTS),
    livenessProbe=_PROBE,
    readinessProbe=_PROBE,
    volumeMounts={
        "type": "array",
        "items": closed(("name", "mountPath"), name=DNS_LABEL, mountPath=TEXT, readOnly={"type": "boolean"}),
    },
)
_VOLUME = closed(("name", "configMap"), name=DNS_LABEL, configMap=closed(("name",), name=DNS_LABEL))
_ADAPTER = closed(("name", "uri"), name=TEXT, uri={"type": "string", "pattern": "^(hf|s3|pvc)://[^/]+/.+"})
_COUNT = {"type": "integer", "minimum": 1}
_LORA = closed(adapters={"type": "array", "items": _ADAPTER}, maxRank=_COUNT, maxAdapters=_COUNT, maxCpuAdapters=_COUNT)
KSERVE = closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "serving.kserve.io/v1alpha2"},
    kind={"const": "LLMInferenceService"},
    metadata=closed(("name",), name=DNS_LABEL),
    spec=closed(
        ("model",),
        model=closed(("uri",), uri={"type": "string", "pattern": "^(hf|s3|pvc|oci)://[^/]+/.+"}, name=TEXT, lora=_LORA),
        replicas={"type": "integer", "minimum": 0},
        router=closed(route=closed(), gateway=closed()),
        template=closed(
            ("containers",),
            containers={"type": "array", "items": _CONTAINER, "minItems": 1},
            volumes={"type": "array", "items": _VOLUME},
        ),
    ),
)
CONFIG_MAP = closed(
    ("apiVersion", "kind", "metadata", "data"),
    apiVersion={"const": "v1"},
    kind={"const": "ConfigMap"},
    metadata=closed(("name",), name=DNS_LABEL),
    data={"type": "object", "additionalProperties": {"type": "string"}},
)

_REMOTE = {"type": "string", "pattern": "^(s3|gs|abfss|azure)://"}
_LLM_CONFIG = closed(
    ("model_loading_config",),
    model_loading_config=closed(
        ("model_id",), model_id=TEXT, model_source={"anyOf": [TEXT, closed(("bucket_uri",), bucket_uri=_REMOTE)]}
    ),
    lora_config=closed(dynamic_lora_loading_path=_REMOTE, max_num_adapters_per_replica=_COUNT),
    engine_kwargs={"type": "object", "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"}},
    deployment_config=closed(num_replicas=_COUNT),
    runtime_env=closed(env_vars={"type": "object", "additionalProperties": {"type": "string"}}),
    placement_group_config=closed(
        bundles={"type": "array", "minItems": 1, "items": closed(CPU={"type": "number"}, GPU={"type": "number"})},
        strategy={"enum": ["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"]},
    ),
)
RAY = closed(
    ("applications",),
    http_options=closed(host=TEXT, port={"type": "integer", "minimum": 1, "maximum": 65535}),
    applications={
        "type": "array",
        "minItems": 1,
        "items": closed(
            ("name", "import_path"),
            name=TEXT,
            route_prefix={"type": "string", "pattern": "^/"},
            import_path={"const": "ray.serve.llm:build_openai_app"},
            args=closed(("llm_configs",), llm_configs={"type": "array", "items": _LLM_CONFIG, "minItems": 1}),
        ),
    },
)
