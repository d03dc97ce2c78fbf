"""The parsers that a server is started with: derived, agreed upon, and known to the installed vLLM."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from workplace import TEMPLATE, write_adapter, write_config
from workplace import workplace as workplace

from callproof.calls.formats import FORMATS
from callproof.errors import UserError
from serve.platforms.compose import compose
from serve.platforms.kserve import kserve
from serve.platforms.ray import ray
from serve.start import make_plan, shell_line, vllm_yaml
from serve.start.parsers import Kind, vllm_parsers

REGISTRIES: dict[Kind, str] = {
    "tool_parsers": "from vllm.tool_parsers import ToolParserManager as registry",
    "reasoning": "from vllm.reasoning import ReasoningParserManager as registry",
}
with_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


@with_vllm
@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_names_are_those_of_vllms_own_registry(kind: Kind) -> None:
    script = f"{REGISTRIES[kind]}; import json; print(json.dumps(sorted(registry.list_registered())))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert sorted(vllm_parsers(kind)) == json.loads(done.stdout.splitlines()[-1])


@with_vllm
def test_vllm_has_a_parser_of_every_format() -> None:
    assert set(FORMATS) <= vllm_parsers("tool_parsers")


def test_the_derived_parser_and_the_reasoning_parser_are_in_every_file() -> None:
    write_adapter("cars")
    plan = make_plan([write_config("cars", serve={"reasoning_parser": "qwen3"})], "gpu")
    assert "auto" not in str(plan.options["tool-call-parser"])
    flags = "--tool-call-parser hermes --reasoning-parser qwen3"
    assert flags in shell_line(plan, None)
    options = yaml.safe_load(vllm_yaml(plan))
    assert (options["tool-call-parser"], options["reasoning-parser"]) == ("hermes", "qwen3")
    (service,) = yaml.safe_load(compose(plan, Path("c.yml")).text)["services"].values()
    assert flags in " ".join(service["command"])
    assert flags in kserve(plan, "s3://b/x").text
    application = yaml.safe_load(ray(plan, "s3://b/x").text)["applications"][0]
    engine = application["args"]["llm_configs"][0]["engine_kwargs"]
    assert (engine["tool_call_parser"], engine["reasoning_parser"]) == ("hermes", "qwen3")


def test_a_name_and_the_derived_one_agree_or_are_both_named() -> None:
    for name in ("cars", "cover"):
        write_adapter(name)
    same = write_config("cover", serve={"tool_call_parser": "qwen3_json"})
    assert make_plan([write_config("cars"), same], "cpu").options["tool-call-parser"] == "hermes"
    other = write_config("cover", serve={"tool_call_parser": "xlam"})
    with pytest.raises(UserError, match=r"^cover.yaml: serve.tool_call_parser is 'xlam', but cars.yaml has 'hermes'"):
        make_plan([write_config("cars"), other], "cpu")


def test_a_name_that_the_template_does_not_write_is_said_and_kept() -> None:
    write_adapter("cars")
    plan = make_plan([write_config("cars", serve={"tool_call_parser": "mistral"})], "cpu")
    assert plan.options["tool-call-parser"] == "mistral"
    warning, _ = plan.warnings
    assert "mistral" in warning
    assert "hermes" in warning


def test_a_template_that_loses_calls_stops_the_plan() -> None:
    write_adapter("cars")
    Path("models/tiny/chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}{# x #}")
    with pytest.raises(UserError, match=r"models/tiny/chat_template.jinja: .*renders no call"):
        make_plan([write_config("cars")], "cpu")
    assert "<tool_call>" in TEMPLATE


@with_vllm
@pytest.mark.parametrize("key", ["tool_call_parser", "reasoning_parser"])
def test_a_parser_that_vllm_does_not_have_is_refused_with_those_it_has(key: str) -> None:
    write_adapter("cars")
    with pytest.raises(UserError, match=rf"^cars.yaml: serve.{key}: 'nonsense' is no parser .*name one of: .*qwen3"):
        make_plan([write_config("cars", serve={key: "nonsense"})], "cpu")
