"""A Kubernetes Job (batch/v1), its configuration as a ConfigMap, and for several nodes the Service they meet through.

Pods of an indexed Job are called `<job>-<index>` and find each other under that name in a headless Service; the index
is the number of the node. A pod that fails is started again and goes on from the newest checkpoint in the claim.
"""

from typing import Any

from callproof.config import RunConfig, config_text

from .job import PORT, Job, Placement, documents, label, launch, require, to_copy

FOLDER, CONFIG_FOLDER = "/work", "/etc/callproof"
RESTARTS = 4


def kubernetes_job(config: RunConfig, placement: Placement) -> Job:
    """The manifest of a training.

    Args:
        placement: its `store` is `pvc://claim`, which several nodes must be able to mount at once.

    Raises:
        UserError: image or store are missing, or the configuration names a path of this machine.
    """
    store = require(
        placement.store, "--store", "holds data and outputs, as pvc://claim", r"pvc://[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
    )
    image = require(placement.image, "--image", "holds callproof, a container image", r"[\w][\w./:@-]*")
    name = label(config.name)
    parts = [_config_map(name, config), _job(name, placement, image, store.removeprefix("pvc://"))]
    if placement.nodes > 1:
        parts.insert(1, _service(name))
    notes = to_copy(config)
    if placement.nodes > 1:
        notes.append("the claim must be ReadWriteMany: every node reads data and checkpoints from it")
    notes.append("a gated base needs the Secret hf-token with the key HF_TOKEN")
    return documents(parts, "kubectl apply -f FILE", notes)


def _config_map(name: str, config: RunConfig) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"config.yaml": config_text(config)},
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": name},
            "ports": [{"name": "rendezvous", "port": PORT}],
        },
    }


def _job(name: str, placement: Placement, image: str, claim: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"backoffLimit": RESTARTS * placement.nodes, "template": {"spec": {}}}
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(name, placement, image)],
        "volumes": [
            {"name": "store", "persistentVolumeClaim": {"claimName": claim}},
            {"name": "config", "configMap": {"name": name}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
        ],
    }
    if placement.nodes > 1:
        spec |= {"completionMode": "Indexed", "completions": placement.nodes, "parallelism": placement.nodes}
        pod["subdomain"] = name
    spec["template"]["spec"] = pod
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _container(name: str, placement: Placement, image: str) -> dict[str, Any]:
    command = launch(placement, f"{CONFIG_FOLDER}/config.yaml", '"$JOB_COMPLETION_INDEX"', f"{name}-0.{name}")
    token = {"name": "hf-token", "key": "HF_TOKEN", "optional": True}
    return {
        "name": "train",
        "image": image,
        "workingDir": FOLDER,
        "command": ["/bin/sh", "-ec", f"exec {command}"],
        "env": [
            {"name": "HF_HOME", "value": f"{FOLDER}/.cache/huggingface"},
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "store", "mountPath": FOLDER},
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
        "resources": {"limits": {"nvidia.com/gpu": str(placement.gpus)}},
    }
