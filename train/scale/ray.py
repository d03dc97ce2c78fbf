"""A Ray job: the body of `POST /api/jobs/` of a Ray cluster (`JobSubmitRequest` in ray-project/ray).

Ray starts an entrypoint on one node, so the training has that node's GPUs.
"""

import json
import shlex

from callproof.config import RunConfig, config_text
from callproof.errors import UserError

from .job import CONFIG, Job, Placement, config_file, label, launch, require, to_copy


def ray_job(config: RunConfig, placement: Placement) -> Job:
    """The JSON of a job.

    Args:
        placement: its `store` is a folder that all nodes of the cluster see.

    Raises:
        UserError: there are several nodes, no store, or a path of this machine.
    """
    if placement.nodes > 1:
        problem = "a Ray job starts on one node, and more are Ray Train's, which has its own loop"
        raise UserError(f"--nodes {placement.nodes}", problem, "choose --job k8s or sky")
    store = require(placement.store, "--store", "holds data and outputs, a folder that all nodes see", r"/[\w./-]+")
    file = config_file(config)
    command = launch(placement, file, "0", "127.0.0.1")
    body = {
        "entrypoint": f'cd {shlex.quote(store)} && printf %s "${CONFIG}" > {file} && exec {command}',
        "entrypoint_num_gpus": placement.gpus,
        "runtime_env": {"env_vars": {CONFIG: config_text(config)}},
        "metadata": {"name": label(config.name)},
    }
    notes = [
        "curl -H 'Content-Type: application/json' -d @FILE http://HEAD:8265/api/jobs/",
        *to_copy(config),
        "the nodes must have callproof[train]",
    ]
    return Job(json.dumps(body, indent=2, ensure_ascii=False) + "\n", tuple(notes))
