"""Every prompt that the real vLLM feeds an adapter is, token by token, the one that its training showed it."""

import json
from pathlib import Path

import pytest
import yaml
from conftest import DOMAINS, Deployment, run_verb

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", DOMAINS)
def test_all_prompts_of_the_server_are_those_of_the_training(deployment: Deployment, name: str, tmp_path: Path) -> None:
    out = tmp_path / "parity.json"
    where = ("--endpoint", deployment.url, "--config", deployment.configs[name], "--out", out)
    line = json.loads(run_verb("evaluate", "parity", *where).stdout.splitlines()[-1])
    assert line["turns"] > 500
    assert line["equal"] == line["turns"]
    assert json.loads(out.read_text())["different"] == []


def test_a_system_prompt_that_changed_after_the_training_is_found(deployment: Deployment, tmp_path: Path) -> None:
    config = tmp_path / "undated.yaml"
    values = yaml.safe_load(deployment.configs["car_sales"].read_text(encoding="utf-8"))
    values["prompt"]["date_line"] = False
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    out = tmp_path / "parity.json"
    run_verb("evaluate", "parity", "--endpoint", deployment.url, "--config", config, "--out", out, code=1)
    found = json.loads(out.read_text())
    assert found["equal"] == 0
    missing = "".join(each["text"] for each in found["diff"] if each["side"] == "training")
    assert "Current" in missing, "the diff shows the line that is missing"
