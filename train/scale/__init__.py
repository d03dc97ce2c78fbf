"""The same training elsewhere, as a file for a scheduler: a Kubernetes Job, a Ray job or a SkyPilot task.

docs/howto/scale.md shows them all.

Nothing is scheduled here: each file starts `accelerate launch` on every node, with `--resume`, so that a node that
comes back goes on from the newest checkpoint.
"""

from collections.abc import Callable

from callproof.config import RunConfig

from .job import Job, Placement
from .kubernetes import kubernetes_job
from .ray import ray_job
from .sky import sky_task

JOBS: dict[str, Callable[[RunConfig, Placement], Job]] = {"k8s": kubernetes_job, "ray": ray_job, "sky": sky_task}
"""By the name of `--job`."""

__all__ = ["JOBS", "Job", "Placement"]
