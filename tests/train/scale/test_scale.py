"""One training as a Kubernetes, Ray or SkyPilot job: valid where it goes, and it starts what trains here."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from jsonschema import Draft202012Validator

from callproof.config import load
from callproof.errors import UserError
from train.cli import main
from train.scale.job import to_copy

CONFIG = ROOT / "configs" / "qwen3-4b.yaml"
STORES = {"k8s": "pvc://models", "ray": "/mnt/shared", "sky": "s3://bucket"}
OPTIONS = {"k8s": ["--image", "registry.example/callproof:1"], "ray": [], "sky": ["--gpu", "H100"]}
NODES = [("k8s", 1, 1), ("k8s", 1, 4), ("k8s", 2, 4), ("ray", 1, 1), ("ray", 1, 8), ("sky", 1, 1), ("sky", 3, 8)]


def written(kind: str, capsys: pytest.CaptureFixture[str], nodes: int = 1, gpus: int = 1, config: Path = CONFIG) -> str:
    size = ["--nodes", str(nodes), "--gpus", str(gpus), "--store", STORES[kind], *OPTIONS[kind]]
    assert main(["--config", str(config), "--job", kind, *size]) == 0
    return capsys.readouterr().out


def only(**properties: Any) -> dict[str, Any]:
    """The schema of an object that has these keys and no others; names that begin with `may_` may be missing."""
    needed = [name for name in properties if not name.startswith("may_")]
    plain = {name.removeprefix("may_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": plain, "required": needed, "additionalProperties": False}


TEXT, COUNT, LABEL = (
    {"type": "string"},
    {"type": "integer", "minimum": 1},
    {"pattern": "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"},
)
NAMED = only(name=LABEL)


def items(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


CONTAINER = only(
    name=LABEL,
    image=TEXT,
    workingDir={"pattern": "^/"},
    command=items(TEXT),
    env=items(
        {"oneOf": [only(name=TEXT, value=TEXT), only(name=TEXT, valueFrom=only(secretKeyRef={"type": "object"}))]}
    ),
    securityContext=only(allowPrivilegeEscalation={"const": False}, capabilities=only(drop={"const": ["ALL"]})),
    volumeMounts=items(only(name=LABEL, mountPath={"pattern": "^/"}, may_readOnly={"type": "boolean"})),
    resources=only(limits={"type": "object", "additionalProperties": {"pattern": "^[0-9]+$"}}),
)
POD = only(
    restartPolicy={"enum": ["OnFailure", "Never"]},  # of a Job; Always is refused
    automountServiceAccountToken={"const": False},
    securityContext=only(runAsNonRoot={"const": True}, seccompProfile=only(type={"enum": ["RuntimeDefault"]})),
    containers={**items(CONTAINER), "maxItems": 1},
    volumes=items(
        only(
            name=LABEL,
            may_persistentVolumeClaim=only(claimName=LABEL),
            may_configMap=NAMED,
            may_emptyDir=only(medium={"const": "Memory"}),
        )
    ),
    may_subdomain=LABEL,
)
KUBERNETES = {
    ("v1", "ConfigMap"): only(apiVersion={}, kind={}, metadata=NAMED, data={"additionalProperties": TEXT}),
    ("v1", "Service"): only(
        apiVersion={},
        kind={},
        metadata=NAMED,
        spec=only(
            clusterIP={"const": "None"},
            publishNotReadyAddresses={"const": True},
            selector={"additionalProperties": LABEL},
            ports=items(only(name={"pattern": "^[a-z]{1,15}$"}, port={"minimum": 1, "maximum": 65535})),
        ),
    ),
    ("batch/v1", "Job"): only(
        apiVersion={},
        kind={},
        metadata=NAMED,
        spec=only(
            backoffLimit=COUNT,
            may_completionMode={"const": "Indexed"},
            may_completions=COUNT,
            may_parallelism=COUNT,
            template=only(spec=POD),
        ),
    ),
}
RAY = only(
    entrypoint=TEXT,
    entrypoint_num_gpus=COUNT,
    runtime_env=only(env_vars={"type": "object", "additionalProperties": TEXT}),
    metadata={"type": "object", "additionalProperties": TEXT},
)
SKY = only(
    name={"pattern": "^[a-zA-Z0-9]+(?:[._-]{1,2}[a-zA-Z0-9]+)*$"},
    num_nodes=COUNT,
    resources=only(accelerators={"pattern": "^[A-Za-z0-9-]+:[0-9]+$"}),
    file_mounts={"additionalProperties": only(source=TEXT, mode={"enum": ["MOUNT", "COPY", "MOUNT_CACHED"]})},
    envs={"additionalProperties": TEXT},
    setup=TEXT,
    run=TEXT,
)
"""By hand, from the references of Kubernetes (batch/v1, core/v1), Ray (JobSubmitRequest) and SkyPilot (task YAML)."""


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def command_and_config(kind: str, text: str) -> tuple[str, str]:
    """The shell text that a node runs, and the configuration that comes with it."""
    parts = documents(text)
    if kind == "k8s":
        shell, flag, command = parts[-1]["spec"]["template"]["spec"]["containers"][0]["command"]
        assert (shell, flag) == ("/bin/sh", "-ec")
        return command, parts[0]["data"]["config.yaml"]
    if kind == "ray":
        return parts[0]["entrypoint"], parts[0]["runtime_env"]["env_vars"]["CALLPROOF_CONFIG"]
    return parts[0]["run"], parts[0]["envs"]["CALLPROOF_CONFIG"]


@pytest.mark.parametrize(("kind", "nodes", "gpus"), NODES)
def test_a_job_is_valid_where_it_goes(kind: str, nodes: int, gpus: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(kind, capsys, nodes, gpus)
    for part in documents(text):
        schema = {"ray": RAY, "sky": SKY}.get(kind) or KUBERNETES[part["apiVersion"], part["kind"]]
        assert [error.message for error in Draft202012Validator(schema).iter_errors(part)] == []
    if kind == "ray":
        json.loads(text)
    if kind == "k8s":
        assert [part["kind"] for part in documents(text)] == ["ConfigMap", *["Service"] * (nodes > 1), "Job"]


@pytest.mark.parametrize(("kind", "nodes", "gpus"), NODES)
def test_each_node_starts_this_training(
    kind: str, nodes: int, gpus: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from accelerate.commands.launch import launch_command_parser

    command, config = command_and_config(kind, written(kind, capsys, nodes, gpus))
    subprocess.run(["sh", "-n", "-c", command], check=True)
    words = shlex.split(command.rpartition("exec ")[2].replace('$(echo "$SKYPILOT_NODE_IPS" | head -n1)', "HEAD"))
    if nodes * gpus == 1:
        assert words[:3] == ["python", "-m", "callproof.train"]
        rest = words[3:]
    else:
        assert words[:2] == ["accelerate", "launch"]
        ranks = {"$JOB_COMPLETION_INDEX", "$SKYPILOT_NODE_RANK"}
        args = launch_command_parser().parse_args(["0" if word in ranks else word for word in words[2:]])
        assert (args.num_machines, args.num_processes, args.multi_gpu) == (nodes, nodes * gpus, True)
        assert (args.module, args.training_script) == (True, "callproof.train")
        assert (args.main_process_ip is None) == (nodes == 1)
        rest = args.training_script_args
    assert rest[0] == "--config"
    assert rest[2:] == ["--resume"]
    file = tmp_path / "config.yaml"
    file.write_text(config)
    assert load(file) == load(CONFIG)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--job", "k8s", "--store", "pvc://claim"], "--image: is needed"),
        (["--job", "k8s", "--image", "x"], "--store: is needed"),
        (["--job", "k8s", "--image", "x", "--store", "s3://bucket"], "as pvc://claim"),
        (["--job", "k8s", "--image", "x; rm", "--store", "pvc://claim"], "a container image"),
        (["--job", "ray"], "--store: is needed"),
        (["--job", "ray", "--store", "/x", "--nodes", "2"], "a Ray job starts on one node"),
        (["--job", "sky", "--store", "s3://bucket"], "--gpu: is needed"),
        (["--job", "sky", "--gpu", "H100", "--store", "/x"], "as s3://bucket or gs://bucket"),
        (["--job", "slurm"], "invalid choice: 'slurm'"),
        (["--store", "pvc://claim"], "--store: is for --job"),
        (["--nodes", "2"], "--nodes: is for --job"),
        (["--gpus", "1"], "--gpus: is for --job"),
        (["--dry-run", "--image", "x"], "--image: is for --job"),
        (["--gpu", "H100"], "--gpu: is for --dry-run or --job"),
        (["--dry-run", "--job", "k8s"], "--dry-run: tries here what --job sends elsewhere"),
        (["--job", "ray", "--store", "/x", "data.domain=/data"], "data.domain: /data: is a path of this machine alone"),
        (["--job", "ray", "--store", "/x", "model.lora_path=../x"], "model.lora_path: ../x: is a path of this machine"),
        (["--job", "ray", "--store", "/x", "data.train=/x.jsonl"], "data.train: /x.jsonl: is a path of this machine"),
    ],
)
def test_what_a_scheduler_lacks_is_named(words: list[str], says: str) -> None:
    with pytest.raises(UserError) as error:
        main(["--config", str(CONFIG), *words])
    assert says in str(error.value)


def test_what_has_to_be_copied_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(ROOT / "configs" / "car_sales.yaml"), "--job", "ray", "--store", "/mnt/shared"]) == 0
    told = capsys.readouterr().err
    assert "copy datasets/car_sales to the store first, under that path (data.domain)" in told
    assert "copy models/tiny to the store first, under that path (model.base_model)" in told


def test_every_file_that_a_job_reads_is_listed_and_the_builtin_preamble_is_none(tmp_path: Path) -> None:
    values = {
        "name": "a",
        "data": {"train": ["logs/x.jsonl", "hf:o/n", "s3://b/x"], "eval": "logs/y.jsonl", "tools": "t.json"},
        "prompt": {"preamble": "builtin", "question": "q.jinja"},
        "model": {"base_model": "owner/base"},
    }
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(values))
    lines = to_copy(load(path))
    assert [line.split()[1] for line in lines] == ["t.json", "q.jinja", "logs/x.jsonl", "logs/y.jsonl"]
