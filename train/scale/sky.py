"""A SkyPilot task, for machines of any cloud: `sky jobs launch FILE`, which replaces those that are lost."""

from typing import Any

from callproof.config import RunConfig, config_text

from .job import CONFIG, Job, Placement, config_file, documents, label, launch, require, to_copy

FOLDER = "/callproof"
_HEAD = '"$(echo "$SKYPILOT_NODE_IPS" | head -n1)"'


def sky_task(config: RunConfig, placement: Placement) -> Job:
    """The task of a training.

    Args:
        placement: its `gpu` is a name that `sky show-gpus` lists, its `store` a bucket, mounted on every node.

    Raises:
        UserError: GPU or store are missing, or the configuration names a path of this machine.
    """
    gpu = require(placement.gpu, "--gpu", "names the GPU to rent, such as H100", r"[\w-]+")
    store = require(
        placement.store, "--store", "holds data and outputs, as s3://bucket or gs://bucket", r"(s3|gs|r2)://[\w.-]+"
    )
    file = config_file(config)
    task: dict[str, Any] = {
        "name": label(config.name),
        "num_nodes": placement.nodes,
        "resources": {"accelerators": f"{gpu}:{placement.gpus}"},
        "file_mounts": {FOLDER: {"source": store, "mode": "MOUNT"}},
        "envs": {CONFIG: config_text(config)},
        "setup": "pip install 'callproof[train]'\n",
        "run": f"""set -e
cd {FOLDER}
printf %s "${CONFIG}" > {file}
exec {launch(placement, file, '"$SKYPILOT_NODE_RANK"', _HEAD)}
""",
    }
    notes = [*to_copy(config), "pip must find callproof on the nodes: else change `setup`"]
    return documents([task], "sky jobs launch FILE", notes)
