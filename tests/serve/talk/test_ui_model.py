"""`serve ui --model DIR`: the page talks to a model in a folder, and no process is left when it stops."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from adapter_files import Q_PROJ, lora, write_adapter
from aiohttp.test_utils import unused_port
from fake_endpoint import FakeEndpoint
from programs import run_program
from ui_page import ui_page

ROOT = Path(__file__).resolve().parents[3]
TINY = str(ROOT / "models/tiny")
CONFIG = f"""
name: cars
data: {{domain: {ROOT}/datasets/car_sales}}
model: {{base_model: {TINY}}}
eval: {{max_tokens: 6}}
"""

transformers = pytest.importorskip("transformers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cars.yaml").write_text(CONFIG)
    return tmp_path


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[str]:
    """The page's address; the process that answers ends with it."""
    with ui_page(folder, *words) as url:
        yield url
    assert not [words for words in running() if str(folder) in words]


def running() -> list[str]:
    """The command lines of all processes, and where each runs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found.append(f"{words} in {(process / 'cwd').readlink()}")
        except OSError:
            continue
    return [line for line in found if "callproof train endpoint" in line]


def facts(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=30) as response:
        page = response.read().decode()
    (data,) = re.findall(r'id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


def answer(url: str, model: str, text: str, whole: bool = True) -> dict[str, Any]:
    message = json.dumps({"role": "user", "content": text})
    body = json.dumps({"session_id": "s", "model": model, "messages": [message]}).encode()
    with urlopen(Request(f"{url}/answer", body, {"Content-Type": "application/json"}), timeout=120) as response:
        states = map(json.loads, response)
        return list(states)[-1] if whole else next(state for state in states if any(state["reading"].values()))


def test_an_adapter_answers_beside_its_base(folder: Path) -> None:
    inner = json.loads((Path(TINY) / "config.json").read_text())["hidden_size"]
    config = transformers.AutoConfig.from_pretrained(TINY)
    out = config.num_attention_heads * getattr(config, "head_dim", inner // config.num_attention_heads)
    tensors = lora(Q_PROJ, widths=(out, inner), value=0.5)
    write_adapter(folder / "cars/adapter", tensors, base_model_name_or_path=TINY, layers_to_transform=[0])
    with serving(folder, "--model", "cars/adapter", "--config", "cars.yaml") as url:
        page = facts(url)
        assert (page["sides"], page["name"]) == ([TINY, "cars/adapter"], "cars")
        assert page["tools"] == len(json.loads((ROOT / "datasets/car_sales/tools.json").read_text()))
        said = [answer(url, name, "Any SUV below 30'000?") for name in page["sides"]]
        assert running()
    assert [last["problem"] for last in said] == [None, None]
    base, adapted = (json.loads(last["message"])["content"] for last in said)
    assert base != adapted


def test_a_base_answers_alone_and_without_a_configuration(folder: Path) -> None:
    with serving(folder, "--model_path", TINY) as url:
        page = facts(url)
        assert (page["sides"], page["tools"]) == ([TINY], 0)
        reading = answer(url, TINY, "Hello", whole=False)["reading"]
    assert not reading["thinking"]


MISTAKES = {
    "neither": ([], "callproof serve ui: has no configuration"),
    "a folder and a name": (["--model", TINY, "--model", "cars"], "a folder is talked to by itself"),
    "keys of no configuration": (
        ["--model", TINY, "eval.max_tokens=1"],
        "eval.max_tokens=1: sets keys of a configuration",
    ),
    "an adapter without a base": (["--model", "nobase"], "does not say its base model"),
    "an adapter of another base": (["--model", "other", "--config", "cars.yaml"], "trained on base 'models/other'"),
}


@pytest.mark.parametrize(("words", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_what_cannot_be_talked_to_is_one_line(folder: Path, words: list[str], problem: str) -> None:
    write_adapter(folder / "nobase", base_model_name_or_path=None)
    write_adapter(folder / "other", base_model_name_or_path="models/other")
    done = run_program("serve", "ui", "--port", unused_port(), *words, cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert problem in done.stderr.splitlines()[-1]


def test_with_an_endpoint_a_folders_name_is_that_of_a_served_model(folder: Path) -> None:
    with FakeEndpoint(models=["other"]) as fake:
        done = run_program(
            "serve", "ui", "--port", unused_port(), "--model", TINY, "--endpoint", fake.url, "--config", "cars.yaml",
            cwd=folder,
        )  # fmt: skip
        assert f"is not served at {fake.url}" in done.stderr
