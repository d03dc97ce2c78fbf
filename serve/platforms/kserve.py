"""KServe: an LLMInferenceService, and a ConfigMap where a chat template goes with it.

Fields are those of serving.kserve.io/v1alpha2 (kserve/kserve, pkg/apis/serving/v1alpha2/llm_inference_service_types.go,
docs/samples/llmisvc). The controller itself adds `--enable-lora`, `--lora-modules` and the limits in `spec.model.lora`;
all other options go through VLLM_ADDITIONAL_ARGS, which its start script reads as shell words.
"""

import re
import shlex
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.records import read_text

from ..start import API_KEY, Plan, flags
from .text import IMAGES, PORT, Output, Store, container_environment, output, store, to_copy

OF_THE_CONTROLLER = (
    *("host", "port", "served-model-name", "revision", "chat-template"),
    *("enable-lora", "lora-modules", "max-loras", "max-cpu-loras", "max-lora-rank"),
)
TEMPLATE_FOLDER, TEMPLATE_FILE = "/etc/callproof", "chat_template.jinja"
START_S = 1800
ROUTED_ADAPTERS = 7
"""A rule of an HTTPRoute has at most eight matches (Gateway API), one of which is the base."""


def kserve(plan: Plan, store_uri: str | None) -> Output:
    """The manifest for a plan.

    Args:
        store_uri: `pvc://claim/folder` or `s3://bucket/folder`, where copies of this machine's folders will be; None if
            the base and all adapters come from the hub.

    Raises:
        UserError: a store is needed and missing, or of another kind.
    """
    name, notes = _label(plan.served_name), []
    place = None
    if plan.base_is_local or len(plan.hub_ids) < len(plan.adapters):
        place = store(store_uri, ("pvc", "s3"), "the base or an adapter is on this machine")
        notes += to_copy(plan, place)
    documents: list[dict[str, Any]] = []
    if template := plan.options.get("chat-template"):
        documents.append(_template(name, Path(template)))
    documents.append(_service(plan, name, place))
    notes += _routing_notes(plan)
    notes.append(f"host and port {plan.host}:{plan.port} are not in this file: the gateway decides the address")
    notes.append(f"to require an API key, create the Secret vllm-api-key with the key {API_KEY}")
    return output(documents, notes, "kubectl apply -f FILE")


def _service(plan: Plan, name: str, place: Store | None) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": name},
        "spec": {
            "model": {"uri": _base_uri(plan, place), "name": plan.served_name, "lora": _lora(plan, place)},
            "replicas": 1,
            "router": {"route": {}, "gateway": {}},
            "template": _pod(plan, name),
        },
    }


def _base_uri(plan: Plan, place: Store | None) -> str:
    if plan.base_is_local and place:
        return place.place(plan.served_name)
    return f"hf://{plan.base}" + (f":{plan.revision}" if plan.revision else "")


def _adapter_labels(plan: Plan) -> dict[str, str]:
    """Adapter -> its name in the cluster; raises a UserError where two of them become one."""
    labels: dict[str, str] = {}
    for adapter in plan.adapters:
        label = _label(adapter.name)
        if twin := next((name for name, other in labels.items() if other == label), None):
            raise UserError(adapter.name, f"and {twin} are both {label!r} in Kubernetes", "rename one of them")
        labels[adapter.name] = label
    return labels


def _routing_notes(plan: Plan) -> list[str]:
    labels = _adapter_labels(plan)
    notes = [f"clients ask for {label!r}, not {name!r}" for name, label in labels.items() if label != name]
    if len(plan.adapters) > ROUTED_ADAPTERS:
        limit = f"a route of the gateway takes {ROUTED_ADAPTERS + 1} matches, the base and {ROUTED_ADAPTERS} adapters"
        notes.append(f"{limit}: {len(plan.adapters)} adapters need a second route, written by hand")
    return notes


def _lora(plan: Plan, place: Store | None) -> dict[str, Any]:
    labels = _adapter_labels(plan)
    uris = {name: f"hf://{hub_id}" for name, hub_id in plan.hub_ids.items()}
    if place:
        uris = {adapter.name: place.place(adapter.name) for adapter in plan.adapters} | uris
    return {
        "adapters": [{"name": labels[adapter.name], "uri": uris[adapter.name]} for adapter in plan.adapters],
        "maxRank": plan.options["max-lora-rank"],
        "maxAdapters": plan.options["max-loras"],
        "maxCpuAdapters": plan.options["max-cpu-loras"],
    }


def _pod(plan: Plan, name: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGES[plan.device],
        "env": _env(plan),
        "resources": _resources(plan),
        "livenessProbe": {**_probe(), "initialDelaySeconds": 120, "failureThreshold": START_S // 30},
        "readinessProbe": _probe(),
    }
    if "chat-template" not in plan.options:
        return {"containers": [container]}
    container["volumeMounts"] = [{"name": "chat-template", "mountPath": TEMPLATE_FOLDER, "readOnly": True}]
    volume = {"name": "chat-template", "configMap": {"name": f"{name}-chat-template"}}
    return {"containers": [container], "volumes": [volume]}


def _probe() -> dict[str, Any]:
    """HTTPS, because the controller gives vLLM a certificate."""
    request = {"path": "/health", "port": PORT, "scheme": "HTTPS"}
    return {"httpGet": request, "periodSeconds": 30, "timeoutSeconds": 30}


def _env(plan: Plan) -> list[dict[str, Any]]:
    left = {key: value for key, value in plan.options.items() if key not in OF_THE_CONTROLLER}
    if "chat-template" in plan.options:
        left["chat-template"] = f"{TEMPLATE_FOLDER}/{TEMPLATE_FILE}"
    variables = {**container_environment(plan), "VLLM_ADDITIONAL_ARGS": shlex.join(flags(left))}
    key = {"name": "vllm-api-key", "key": API_KEY, "optional": True}
    plain = [{"name": variable, "value": value} for variable, value in variables.items()]
    return [*plain, {"name": API_KEY, "valueFrom": {"secretKeyRef": key}}]


def _resources(plan: Plan) -> dict[str, Any]:
    if plan.device == "gpu":
        return {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}
    return {"limits": {"memory": "8Gi"}, "requests": {"cpu": "2", "memory": "8Gi"}}


def _template(name: str, file: Path) -> dict[str, Any]:
    """The chat template as a ConfigMap: inside the service, the controller would interpret its braces."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-chat-template"},
        "data": {TEMPLATE_FILE: read_text(file)},
    }


def _label(served_name: str) -> str:
    """A name that Kubernetes accepts: at most 40 lower-case letters, digits and dashes, a letter first."""
    label = re.sub(r"[^a-z0-9]+", "-", served_name.lower()).strip("-")[:40].strip("-")
    return label if label[:1].isalpha() else f"llm-{label}".strip("-")
