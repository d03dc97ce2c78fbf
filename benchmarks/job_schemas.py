"""Check what `callproof train --job` writes with the schedulers' own code, which callproof does not depend on.

    pip install kubernetes skypilot ray          # in an environment of its own
    callproof train --config c.yaml --job k8s --image i --store pvc://claim > job.yaml
    python benchmarks/job_schemas.py k8s job.yaml

k8s: every field must be one of the client's models. sky: the task's JSON Schema, and that a task can be made of it.
ray: the request of the Jobs API, and its runtime environment. Prints the version that accepted the file, or raises.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml


def kubernetes(text: str) -> str:
    from kubernetes.client import ApiClient

    client = ApiClient()
    for part in yaml.safe_load_all(text):
        read = client.deserialize(json.dumps(part), f"V1{part['kind']}", "application/json")
        _same(part, client.sanitize_for_serialization(read), part["kind"])
    return f"kubernetes {version('kubernetes')}"


def _same(ours: Any, theirs: Any, place: str) -> None:
    """The client drops fields that its models do not have; raise where one is gone."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                raise ValueError(f"{place}.{key} is no field")
            _same(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            _same(mine, other, f"{place}.{number}")
    elif ours != theirs:
        raise ValueError(f"{place} is {theirs!r}, not {ours!r}")


def sky(text: str) -> str:
    from sky import Task
    from sky.utils import schemas, validator

    task = yaml.safe_load(text)
    make = validator.get_schema_validator()
    make(schemas.get_task_schema()).validate(task)
    make(schemas.get_resources_schema()).validate(task["resources"])
    del task["file_mounts"]  # a bucket is looked up when a task is made
    Task.from_yaml_config(task)
    return f"skypilot {version('skypilot')}"


def ray(text: str) -> str:
    from ray.dashboard.modules.job.common import JobSubmitRequest, validate_request_type
    from ray.runtime_env import RuntimeEnv

    RuntimeEnv(**validate_request_type(json.loads(text), JobSubmitRequest).runtime_env)
    return f"ray {version('ray')}"


if __name__ == "__main__":
    kind, file = sys.argv[1:]
    accepted = {"k8s": kubernetes, "sky": sky, "ray": ray}[kind](Path(file).read_text(encoding="utf-8"))
    print(f"accepted by {accepted}")
