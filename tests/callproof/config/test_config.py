"""A configuration says what it means or is refused in one line."""

from pathlib import Path

import pytest
from conftest import ROOT

from callproof.config import load
from callproof.errors import UserError

GOOD = "name: demo\ndata:\n  domain: datasets/demo\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_of_the_repository_is_valid(path: Path) -> None:
    assert load(path).name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD + "train:\n  learnig_rate: 1\n", "'train.learnig_rate'; did you mean 'learning_rate'?"),
        (GOOD + "trian: {}\n", "unknown key 'trian'; did you mean 'train'?"),
        (GOOD + "zzz: 1\n", "valid keys: name, data"),
        (GOOD + "lora:\n  r: 0\n", "lora.r: Input should be greater than or equal to 1, got '0'"),
        ("data:\n  domain: x\n", "name: Field required"),
        ("name: x\ndata:\n  domian: y\n", "unknown key 'data.domian'; did you mean 'domain'?"),
        ("name: ../x\ndata:\n  domain: x\n", "name: String should match pattern"),
        ("name: [\n", ":2: malformed YAML"),
        ("- a\n", "expected a mapping, got list"),
        ("", "expected a mapping, got NoneType"),
    ],
)
def test_a_wrong_configuration_is_one_line_with_place_and_mend(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text))
    assert named in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.yaml: cannot be read"):
        load(tmp_path / "absent.yaml")


def test_environment_overrides_the_file_and_leaves_the_keys_beside_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LLM_TRAIN__LEARNING_RATE", "0.5")
    config = load(write(tmp_path, GOOD + "train:\n  seed: 7\n  learning_rate: 0.1\n"))
    assert (config.train.learning_rate, config.train.seed) == (0.5, 7)


def test_a_hub_model_is_served_under_the_last_part_of_its_id() -> None:
    assert load(ROOT / "configs/qwen3-4b.yaml").model.served_name == "Qwen3-4B-Instruct-2507"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("  eval: a.jsonl\n  eval_share: 0.1\n", "so `eval` must not be given beside it"),
        ("  eval_share: 0.6\n", "data.eval_share: Input should be less than or equal to 0.5"),
        ("prompt:\n  timezone: Europe/Zurch\n", "expected a time zone such as Europe/Zurich, got 'Europe/Zurch'"),
        ("prompt:\n  catalog: json\n", "prompt.catalog: Input should be 'tools', 'text' or 'none'"),
    ],
)
def test_data_and_prompt_that_contradict_themselves_are_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, GOOD + text))
    assert named in str(caught.value)
