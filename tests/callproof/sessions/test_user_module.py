"""Code of a user gives sessions, and its mistakes are one line with the place in that code."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.turns import split_sessions

GOOD = """
from callproof.sessions import Session

def build_sessions(config):
    yield {"input": config.name, "response": "b"}
    yield Session.model_validate({"session_id": "own", "messages": [{"role": "user", "content": "a"}]})
"""


def config_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, package: bool = False) -> RunConfig:
    """The configuration of a new module with this code."""
    name = f"module_{uuid4().hex}"
    path = tmp_path / name / "__init__.py" if package else tmp_path / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return RunConfig.model_validate({"name": "demo", "data": {"domain": str(tmp_path), "load_module": name}})


def test_records_and_sessions_of_a_module_are_the_training_sessions(tmp_path: Path, monkeypatch) -> None:
    config = config_of(tmp_path, monkeypatch, GOOD)
    found = list(split_sessions(config, "train"))
    assert [session.session_id for _, session in found] == [f"{config.data.load_module}:1", "own"]
    assert found[0][1].messages[0].content == "demo"


@pytest.mark.parametrize("package", [False, True])
@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1 / 0\n", ":1: ZeroDivisionError: division by zero; mend the module"),
        ("def build_sessions(config):\n    return config.missing\n", ":2: AttributeError: "),
        ("def build_sessions(config):\n    yield {}['key']\n", ":2: KeyError: 'key'"),
        ("def build_sessions(config:\n", ":1: SyntaxError: "),
        ("import absent_package_of_nobody\n", ":1: ModuleNotFoundError: No module named 'absent_package_of_nobody'"),
        ("y = 1\n", ": has no function build_sessions"),
        ("def build_sessions(config):\n    return 5\n", ": TypeError: 'int' object is not iterable"),
        ("def build_sessions(config):\n    return [5]\n", ": session 1: expected a session or a dictionary, got int"),
        ("def build_sessions(config):\n    return [{}]\n", ": session 1: a record of no known form"),
        (
            "def build_sessions(config):\n    return [{'id': 'a', 'input': 'b', 'response': 'c'}] * 2\n",
            ": session 2: session_id 'a' is already at",
        ),
    ],
)
def test_a_mistake_in_a_module_is_one_line(tmp_path: Path, monkeypatch, code: str, problem: str, package: bool) -> None:
    config = config_of(tmp_path, monkeypatch, code, package)
    with pytest.raises(UserError) as caught:
        list(split_sessions(config, "train"))
    assert str(caught.value).startswith(f"{config.data.load_module}{problem}")
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = RunConfig.model_validate(
        {"name": "demo", "data": {"domain": str(tmp_path), "load_module": "absent.module"}}
    )
    with pytest.raises(UserError, match=r"absent.module: ModuleNotFoundError: No module named 'absent'"):
        list(split_sessions(config, "train"))


SPLIT = """
def build_sessions(config, split):
    for number in range(config.data.options["count"]):
        yield {"id": f"{split}-{number}", "input": split, "response": "b"}
"""


def test_a_module_that_takes_a_split_gives_both_and_has_options_of_its_own(tmp_path: Path, monkeypatch) -> None:
    config = config_of(tmp_path, monkeypatch, SPLIT)
    config = config.model_copy(update={"data": config.data.model_copy(update={"options": {"count": 2}})})
    ids = {split: [session.session_id for _, session in split_sessions(config, split)] for split in ("train", "eval")}
    assert ids == {"train": ["train-0", "train-1"], "eval": ["eval-0", "eval-1"]}


def test_a_module_in_the_working_directory_is_found_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"module_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text("def build_sessions(config):\n    yield {'input': 'a', 'response': 'b'}\n")
    (tmp_path / "json.py").write_text("1 / 0")
    config = RunConfig.model_validate({"name": "demo", "data": {"load_module": name}})
    monkeypatch.setattr("sys.path", [place for place in sys.path if place not in ("", str(Path.cwd()))])
    with pytest.raises(UserError, match=f"No module named '{name}'"):
        list(split_sessions(config, "train"))
    monkeypatch.chdir(tmp_path)
    assert [session.session_id for _, session in split_sessions(config, "train")] == [f"{name}:1"]
    assert sys.path[-1] == str(tmp_path)


DATASETS = """
def build_datasets(cfg):
    words = [{"id": f"{cfg['data']['speaker']}-{n}", "input": cfg.data.speaker, "response": "b"} for n in range(3)]
    return words[:2], words[2:], [], [], 4096
"""


def test_build_datasets_of_an_older_module_gives_both_splits(tmp_path: Path, monkeypatch) -> None:
    config = config_of(tmp_path, monkeypatch, DATASETS)
    config = config.model_copy(update={"data": config.data.model_copy(update={"options": {"data": {"speaker": "x"}}})})
    names = {split: [s.session_id for _, s in split_sessions(config, split)] for split in ("train", "eval")}
    assert names == {"train": ["x-0", "x-1"], "eval": ["x-2"]}


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ("[{'input_ids': [1], 'labels': [1]}], []", ": session 1: expected a session, got a row of tokens (input_ids)"),
        ("5", ": build_datasets: expected (train, eval, ...), got int"),
        ("None, []", ": build_datasets: the sessions of train are None"),
        ("[7], []", ": session 1: expected a session or a dictionary, got int"),
        ("cfg.model", ":2: AttributeError: data.options has no model"),
    ],
)
def test_what_build_datasets_returns_that_is_no_sessions_is_one_line(
    tmp_path: Path, monkeypatch, returned: str, problem: str
) -> None:
    config = config_of(tmp_path, monkeypatch, f"def build_datasets(cfg):\n    return {returned}\n")
    with pytest.raises(UserError) as caught:
        list(split_sessions(config, "train"))
    assert str(caught.value).startswith(f"{config.data.load_module}{problem}")
    assert "\n" not in str(caught.value)
