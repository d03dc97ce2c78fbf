"""Every value of a configuration has one source; what a source gives wrongly is one line that names it."""

import json
import logging
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from callproof.config import RunConfig, load, resolve
from callproof.errors import UserError

GOOD = "name: demo\ndata:\n  domain: datasets/demo\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "run.yaml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def refusal(text: str = GOOD, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(UserError) as caught:
        load(write(text), overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_source_stands_above_the_one_before(monkeypatch) -> None:
    path, seen = write(GOOD), []
    seen.append(load(path).train.seed)
    write(GOOD + "train: {seed: 1}\n")
    seen.append(load(path).train.seed)
    write("LLM_TRAIN__SEED=2\n", ".env")
    seen.append(load(path).train.seed)
    monkeypatch.setenv("LLM_TRAIN__SEED", "3")
    seen.append(load(path).train.seed)
    seen.append(load(path, ["train.seed=4"]).train.seed)
    assert seen == [42, 1, 2, 3, 4]


def test_every_value_names_its_source(monkeypatch) -> None:
    path = write(GOOD + "\ntrain:\n  # a comment\n  learning_rate: 1e-3\n")
    write("# mine\nHF_TOKEN=x\n\nexport LLM_LORA__R='8'\n", ".env")
    monkeypatch.setenv("LLM_SERVE__PORT", "9000")
    entries = resolve(RunConfig, path, ["eval.max_tokens=7"]).as_json()
    assert entries["train.learning_rate"] == {"value": 0.001, "source": "run.yaml:7"}
    assert entries["lora.r"] == {"value": 8, "source": ".env:4"}
    assert entries["serve.port"] == {"value": 9000, "source": "LLM_SERVE__PORT"}
    assert entries["eval.max_tokens"] == {"value": 7, "source": "command line"}
    assert entries["lora.alpha"] == {"value": 32, "source": "default"}


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_resolved_yaml_gives_the_same_configuration_again(config: Path) -> None:
    words = ["model.name=a: b #c", "gate.slice_floors={'tool=*': {parse_rate: 0.5}}", "train.weight_decay=1e-7"]
    resolved = resolve(RunConfig, config, words)
    assert load(write(resolved.as_yaml(), "again.yaml")) == resolved.config
    assert all("# " in line for line in resolved.as_yaml().splitlines() if not line.endswith(":"))


@pytest.mark.parametrize("name", ["line\nbreak", " blanks ", "null", "1e-4", "'\"", "é \u2028 \x7f", "# none", ""])
def test_any_text_survives_the_resolved_yaml(name: str) -> None:
    config = RunConfig.model_validate({"name": "demo", "data": {"domain": "d"}, "train": {"hub_model_id": name}})
    path = write(json.dumps(config.model_dump(mode="json")))
    assert load(write(resolve(RunConfig, path).as_yaml(), "again.yaml")).train.hub_model_id == name


def test_a_merged_key_is_named_with_the_line_on_which_it_stands() -> None:
    text = "x: &x\n  seed: 5\n"
    assert refusal(GOOD + text).startswith("run.yaml:4: unknown key 'x'")
    path = write(GOOD + "train: &t\n  seed: 5\n  <<: {logging_steps: 3}\n")
    entries = resolve(RunConfig, path).as_json()
    assert (entries["train.seed"]["source"], entries["train.logging_steps"]["source"]) == ("run.yaml:5", "run.yaml:6")


def test_one_entry_of_a_mapping_can_be_changed_and_the_others_stay() -> None:
    margins = load(write(GOOD), ["gate.margins.turn_exact=0.5"]).gate.margins
    assert margins == {"turn_exact": 0.5, "name_f1": 0.02, "hallucination_rate": 0.02}


def test_a_mapping_given_whole_takes_the_place_of_the_one_below() -> None:
    path = write(GOOD + "gate: {margins: {name_f1: 0.1}}\n")
    assert load(path).gate.margins == {"name_f1": 0.1}
    assert load(path, ["gate.margins={turn_exact: 0.2}"]).gate.margins == {"turn_exact": 0.2}
    entries = resolve(RunConfig, path, ["gate.margins={}"]).as_json()
    assert entries["gate.margins"] == {"value": {}, "source": "command line"}


def test_the_default_of_the_schema_is_not_changed_by_an_override() -> None:
    load(write(GOOD), ["gate.margins.turn_exact=0.5"])
    assert load(write(GOOD)).gate.margins["turn_exact"] == 0.02


@pytest.mark.parametrize(
    ("word", "section", "key", "value"),
    [
        ("train.learning_rate=1e-4", "train", "learning_rate", 1e-4),
        ("train.bf16=false", "train", "bf16", False),
        ("train.bf16=auto", "train", "bf16", "auto"),
        ("model.name=7", "model", "name", "7"),
        ("model.name=no", "model", "name", "no"),
        ("model.name=null", "model", "name", None),
        ("model.name=a=b", "model", "name", "a=b"),
        ("data.train=*.jsonl", "data", "train", "*.jsonl"),
        ("data.train=2026-01-05", "data", "train", "2026-01-05"),
        ("data.train=[x", "data", "train", "[x"),
        ("lora.target_modules=[q_proj, v_proj]", "lora", "target_modules", ("q_proj", "v_proj")),
    ],
)
def test_a_word_of_the_command_line_is_yaml_or_the_text_that_fits(word, section, key, value) -> None:
    found = getattr(getattr(load(write(GOOD), [word]), section), key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("train.lerning_rate=1", "command line: unknown key 'train.lerning_rate'; did you mean 'learning_rate'?"),
        ("trian.seed=1", "command line: unknown key 'trian'; did you mean 'train'?"),
        ("lora.learning_rate=1", "did you mean 'train.learning_rate'?"),
        ("train.seed.x=1", "command line: unknown key 'train.seed.x', for 'train.seed' holds one value"),
        ("train=3", "command line: train: expected a section, got '3'; its keys: output_dir, method, beta, seed"),
        ("train.seed=abc", "command line: train.seed: Input should be a valid integer"),
        ("train.seed=[1", "command line: train.seed: malformed YAML"),
        ("train.learning_rate=.inf", "command line: train.learning_rate: expected a finite number, got inf"),
        ("train.seed", "train.seed: expected KEY=VALUE, such as train.learning_rate=1e-4"),
        ("=1", "command line: unknown key ''"),
        ("train.=1", "command line: unknown key 'train.'"),
        ("gate.margins.turn_exact=2", "command line: gate.margins.turn_exact: Input should be less than or equal to 1"),
    ],
)
def test_a_wrong_word_of_the_command_line_is_one_line(word: str, named: str) -> None:
    assert named in refusal(overrides=(word,))


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("LLM_TRAIN__LERNING_RATE", "LLM_TRAIN__LERNING_RATE: unknown key 'train.lerning_rate'; did you mean 'learn"),
        ("LLM_TRAINING__SEED", "LLM_TRAINING__SEED: unknown key 'training'; did you mean 'train'?"),
        ("LLM_LORA__LORA_ALPHA", "did you mean 'alpha'?"),
        ("LLM_TRAIN__BF16", "LLM_TRAIN__BF16: train.bf16"),
    ],
)
def test_a_wrong_environment_variable_is_one_line_with_its_name(variable: str, named: str, monkeypatch) -> None:
    monkeypatch.setenv(variable, "1" if variable != "LLM_TRAIN__BF16" else "maybe")
    assert named in refusal()


def test_the_dotenv_file_is_held_to_the_same_rules() -> None:
    write("A=b\n\nLLM_TRAIN__LERNING_RATE=1\n", ".env")
    assert refusal().startswith(".env:3: unknown key 'train.lerning_rate'; did you mean 'learning_rate'?")
    write("A=b\nLLM_NAME='x\n", ".env")
    assert refusal().startswith(".env:2: expected NAME=value")
    Path(".env").write_bytes(b"A=\xff\n")
    assert refusal().startswith(".env: is not UTF-8")


def test_variables_of_other_programs_are_ignored_with_a_line_at_level_debug(monkeypatch, caplog) -> None:
    others = {"LLM_API_KEY": "secret", "LLM_MODEL": "gpt-5", "LLM_TIMEOUT": "30", "LLM_OPENAI__KEY": "x"}
    for name, value in {**others, "LLMWARE__X": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logging.getLogger("callproof"), "propagate", True)
    caplog.set_level("DEBUG", "callproof")
    assert load(write(GOOD)).name == "demo"
    assert list(dict.fromkeys(caplog.messages)) == [
        f"{name}: ignored: not LLM_<SECTION>__<KEY>" for name in sorted(others)
    ]


def test_the_model_of_seed_004_s_dotenv_is_the_base_and_an_own_variable_stands_above() -> None:
    write("HF_TOKEN=x\nMODEL_ID=owner/base\n", ".env")
    entries = resolve(RunConfig, write(GOOD + "model: {base_model: other}\n")).as_json()
    assert entries["model.base_model"] == {"value": "owner/base", "source": ".env:2"}
    write("MODEL_ID=owner/base\nLLM_MODEL__BASE_MODEL=third\n", ".env")
    assert load(write(GOOD)).model.base_model == "third"


@pytest.mark.parametrize("place", [".env", "environment", "words", "section"])
def test_trusting_remote_code_is_said_in_the_yaml_file_alone(place: str, monkeypatch) -> None:
    assert load(write(GOOD + "model: {trust_remote_code: true}\n")).model.trust_remote_code
    words: tuple[str, ...] = ()
    if place == ".env":
        write("LLM_MODEL__TRUST_REMOTE_CODE=true\n", ".env")
    elif place == "environment":
        monkeypatch.setenv("LLM_MODEL__TRUST_REMOTE_CODE", "true")
    else:
        words = ("model.trust_remote_code=true",) if place == "words" else ("model={trust_remote_code: true}",)
    assert "model.trust_remote_code is read from the YAML file alone" in refusal(overrides=words)


def test_all_unknown_keys_are_named_at_once_with_places_and_near_names(monkeypatch) -> None:
    monkeypatch.setenv("LLM_LORA__LORA_ALPHA", "1")
    text = GOOD + "lora:\n  use_dora: true\ntrain:\n  learnig_rate: 1\n  zzz: 2\n"
    assert refusal(text) == (
        "run.yaml: 4 unknown keys: 'lora.use_dora' (line 5; vLLM refuses an adapter that has it), "
        "'lora.lora_alpha' (LLM_LORA__LORA_ALPHA; did you mean 'alpha'?), 'train.learnig_rate' (line 7; did you mean "
        "'learning_rate'?), 'train.zzz' (line 8); correct them; a configuration of another system is translated by: "
        "callproof train migrate"
    )


def test_a_whole_section_may_be_given_and_a_key_of_it_stands_above(monkeypatch) -> None:
    monkeypatch.setenv("LLM_TRAIN", "{seed: 1, logging_steps: 5}")
    monkeypatch.setenv("LLM_TRAIN__SEED", "2")
    train = load(write(GOOD)).train
    assert (train.seed, train.logging_steps) == (2, 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[" * 5000 + "]" * 5000, "run.yaml: malformed YAML (nested too deep)"),
        ("\n".join("  " * depth + "a:" for depth in range(5000)), "run.yaml: malformed YAML (nested too deep)"),
        (GOOD + "train:\n  seed: " + "9" * 5000, "run.yaml:5: malformed YAML (a number of too many digits)"),
        (GOOD + "train:\n  seed: 0x" + "f" * 5000, "run.yaml:5: malformed YAML (a number of too many digits)"),
        (GOOD + "train:\n  learning_rate: 1e99999\n", "run.yaml:5: train.learning_rate: expected a finite number"),
        (GOOD + "train:\n  learning_rate: .nan\n", "run.yaml:5: train.learning_rate"),
        (BOMB + GOOD, "run.yaml: holds more than 10,000 values, with aliases written out"),
        ("a: &a\n  <<: *a\n", "run.yaml: holds more than 10,000 values"),
        (GOOD + "x: &x {y: *x}\n", "run.yaml: holds more than 10,000 values"),
        (GOOD + "name: again\n", "run.yaml:4: the key 'name' is given twice, first on line 1"),
        (GOOD + "train:\n  seed: 1\n  seed: 1\n", "run.yaml:6: the key 'seed' is given twice, first on line 5"),
        (GOOD + "train:\n", "run.yaml:4: train: expected a section, got 'None'"),
        (GOOD + "1: x\n", "run.yaml:4: expected a name as key, got 1"),
        (GOOD + "? [a]\n: x\n", "run.yaml:4: malformed YAML (found unhashable key)"),
        (GOOD + "train:\n  seed: 2026-99-99\n", "run.yaml:5: malformed YAML (month must be in 1..12)"),
        (GOOD + "x: !!python/object:os.system {}\n", "run.yaml:4: malformed YAML (could not determine a constructor"),
        (GOOD + "---\nname: two\n", "run.yaml:4: malformed YAML (but found another document)"),
        (GOOD + "x: \x00\n", "run.yaml: malformed YAML (unacceptable character"),
        (GOOD + "train:\n\tseed: 1\n", "run.yaml:5: malformed YAML (found character '\\t'"),
    ],
    ids=range(19),
)
def test_hostile_yaml_is_one_line_with_its_place(text: str, named: str) -> None:
    assert refusal(text).startswith(named)


def test_the_schema_for_editors_is_current() -> None:
    told = json.loads((ROOT / "configs/schema.json").read_text(encoding="utf-8"))
    assert told == RunConfig.model_json_schema(), "run: callproof train config --schema > configs/schema.json"


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_names_the_schema_and_fits_it(config: Path) -> None:
    from jsonschema import Draft202012Validator

    text = config.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    Draft202012Validator(json.loads((ROOT / "configs/schema.json").read_text())).validate(yaml.safe_load(text))
