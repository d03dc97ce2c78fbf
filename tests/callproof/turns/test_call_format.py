"""The format of calls follows from the chat template that is served, and whatever does not fit is said."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callproof.config import PromptConfig, RunConfig
from callproof.errors import UserError
from callproof.turns import call_format, chat_template, prefills_thinking, readable_format
from callproof.turns.response_hint import declared_formats

HERMES = (Path(__file__).resolve().parents[3] / "models/tiny/chat_template.jinja").read_text()
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n%s<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PYTHONIC = CHAT.replace(
    "%s",
    "{{ message.content }}{% if message.tool_calls %}[{% for call in message.tool_calls %}{{ call.function.name }}("
    "{% for key, value in call.function.arguments.items() %}{{ key }}={{ value | tojson }}"
    "{% if not loop.last %}, {% endif %}{% endfor %}){% endfor %}]{% endif %}",
)
NO_CALLS = CHAT.replace("%s", "{{ message.content }}")
STRANGE = CHAT.replace("%s", "{{ message.content }}{% if message.tool_calls %}!!{{ message.tool_calls }}!!{% endif %}")


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty base in the folder to work in, and an empty cache of the hub."""
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "models/base"
    folder.mkdir(parents=True)
    return folder


def config(parser: str = "auto", **model: Any) -> RunConfig:
    model = {"base_model": "models/base", **model}
    return RunConfig.model_validate(
        {"name": "cars", "data": {"domain": "d"}, "model": model, "serve": {"tool_call_parser": parser}}
    )


def test_the_default_is_the_format_of_the_bases_template(base: Path) -> None:
    (base / "chat_template.jinja").write_text(HERMES)
    plain = RunConfig.model_validate({"name": "cars", "data": {"domain": "d"}, "model": {"base_model": "models/base"}})
    assert call_format(plain)[:2] == ("hermes", None)


def test_a_template_of_the_configuration_goes_before_the_bases(base: Path) -> None:
    (base / "chat_template.jinja").write_text(HERMES)
    Path("t.jinja").write_text(PYTHONIC)
    assert call_format(config(chat_template="t.jinja")).name in ("pythonic", "llama4_pythonic")
    with pytest.raises(UserError, match=r"model.chat_template: there is no file u.jinja"):
        call_format(config(chat_template="u.jinja"))


PLACES: dict[str, dict[str, str]] = {
    "a file": {"chat_template.jinja": HERMES, "tokenizer_config.json": json.dumps({"chat_template": NO_CALLS})},
    "the tokenizer's": {"tokenizer_config.json": json.dumps({"chat_template": HERMES})},
    "a list": {
        "tokenizer_config.json": json.dumps(
            {"chat_template": [{"name": "default", "template": NO_CALLS}, {"name": "tool_use", "template": HERMES}]}
        )
    },
    "a file for tools": {"chat_template.jinja": NO_CALLS, "additional_chat_templates/tool_use.jinja": HERMES},
}


@pytest.mark.parametrize("files", PLACES.values(), ids=PLACES)
def test_the_template_is_the_one_that_requests_with_tools_get(files: dict[str, str], base: Path) -> None:
    for name, text in files.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text(text)
    assert call_format(config()).name == "hermes"


def test_a_hub_base_is_read_from_the_cache_at_its_revision(tmp_path: Path) -> None:
    hub = config(base_model="owner/base")
    assert chat_template(hub.model) is None
    cached = tmp_path / "hub/models--owner--base"
    for commit, text in (("abc", HERMES), ("def", PYTHONIC)):
        (cached / f"snapshots/{commit}").mkdir(parents=True)
        (cached / f"snapshots/{commit}/chat_template.jinja").write_text(text)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("abc")
    assert call_format(hub).name == "hermes"
    assert "pythonic" in call_format(config(base_model="owner/base", revision="def")).name


def test_a_template_that_is_not_here_asks_for_a_name() -> None:
    with pytest.raises(UserError, match=r"^c.yaml: serve.tool_call_parser: is auto, but owner/base is not on this"):
        call_format(config(base_model="owner/base"), "c.yaml")
    with pytest.raises(UserError, match=r"models/base has no chat template; name the format, such as .*hermes"):
        call_format(config())
    assert call_format(config("xlam", base_model="owner/base")) == ("xlam", None, False)
    assert call_format(config("mistral", base_model="owner/base")) == ("mistral", None, True)


def test_a_template_that_renders_no_call_is_one_line_with_the_way_out(base: Path) -> None:
    (base / "chat_template.jinja").write_text(NO_CALLS)
    with pytest.raises(UserError, match=r"chat_template.jinja: .*renders no call.*; set model.chat_template to"):
        call_format(config())
    warning = call_format(config("hermes")).warning
    assert warning is not None
    assert "renders no call" in warning


def test_a_form_that_nothing_reads_is_refused(base: Path) -> None:
    (base / "chat_template.jinja").write_text(STRANGE)
    with pytest.raises(UserError, match="no known format reads"):
        call_format(config())


@pytest.mark.parametrize(
    ("template", "name", "said"),
    [
        (HERMES, "hermes", None),
        (HERMES, "qwen3_json", None),
        (PYTHONIC, "pythonic", None),
        (
            HERMES,
            "llama3_json",
            "is llama3_json, but models/base/chat_template.jinja writes calls in the format herm",
        ),
        (HERMES, "step3", "is step3, but models/base/chat_template.jinja writes calls in the format hermes"),
    ],
)
def test_a_name_that_the_template_does_not_write_is_a_warning_with_both(
    template: str, name: str, said: str | None, base: Path
) -> None:
    (base / "chat_template.jinja").write_text(template)
    derived = call_format(config(name))
    assert derived.name == name
    assert (derived.warning is None) == (said is None)
    assert (said or "") in (derived.warning or "")


def test_a_catalog_in_the_text_has_calls_in_the_text_whatever_the_template(base: Path) -> None:
    (base / "chat_template.jinja").write_text(NO_CALLS)
    for parser, warned in (("auto", False), ("hermes", False), ("mistral", True)):
        shown = config(parser).model_copy(update={"prompt": PromptConfig(catalog="text")})
        name, warning, _ = call_format(shown)
        assert (name, warning is not None) == ("hermes" if parser == "auto" else parser, warned)


def test_a_format_that_cannot_be_read_here_is_refused_with_those_that_can() -> None:
    with pytest.raises(UserError, match=r"serve.tool_call_parser: 'step3' is no format .*name one of: .*hermes"):
        readable_format(config("step3"))


CALLS_OF = {
    "hermes": {"open": "<tool_call>", "close_pattern": r"</tool_call>\s*", "repeats": True, "content": "json"},
    "pythonic": {"open_pattern": r"\[(?P<name>\w+)\(", "close": ")]", "content": "text"},
    "gemma4": {
        "open_pattern": r"<\|tool_call>call:(?P<name>\w+)",
        "close_pattern": r"<tool_call\|>\s*",
        "content": "json",
        "content_args": {"string_delims": [['<|"|>', '<|"|>']], "unquoted_keys": True},
    },
    "nothing": {"open": "<made_up>", "close": "</made_up>", "content": "json"},
    "costly": {"open_pattern": "(a+)+$(?P<", "content": "json"},
}


def declare(base: Path, form: str, template: str | None) -> None:
    """A tokenizer_config.json as transformers 5 writes it."""
    declared = {
        "defaults": {"role": "assistant"},
        "start_anchor": "<|im_start|>assistant\n",
        "fields": {
            "reasoning_content": {"open": "<think>", "close_pattern": r"</think>\s*", "content": "text"},
            "tool_calls": {**CALLS_OF[form], "transform": {"type": "function", "function": "{content}"}},
            "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
        },
    }
    held = {"tokenizer_class": "PreTrainedTokenizerFast", "response_template": declared}
    (base / "tokenizer_config.json").write_text(json.dumps(held | ({"chat_template": template} if template else {})))


@pytest.mark.parametrize(
    ("template", "declared", "name", "said"),
    [
        (HERMES, "hermes", "hermes", None),
        (HERMES, "gemma4", "hermes", "writes calls in the format hermes, but response_template .* declares gemma4"),
        (HERMES, "nothing", "hermes", "in the format hermes, but response_template .* declares an unknown form"),
        (HERMES, "costly", "hermes", "declares an unknown form"),
        (PYTHONIC, "pythonic", "llama4_pythonic", None),
        (None, "gemma4", "gemma4", "has no chat template; response_template .* declares gemma4, and that is used"),
        ("{% for %}", "hermes", "hermes", r"cannot be tried \(TemplateSyntaxError.* declares hermes, and that is used"),
    ],
)
def test_what_a_checkpoint_declares_decides_where_the_template_does_not_and_is_said_where_it_differs(
    template: str | None, declared: str, name: str, said: str | None, base: Path
) -> None:
    declare(base, declared, template)
    derived = call_format(config())
    assert derived.name == name
    assert (derived.warning is None) == (said is None)
    assert said is None or re.search(said, derived.warning or "")


@pytest.mark.parametrize("template", [NO_CALLS, STRANGE])
def test_a_refusal_names_what_the_checkpoint_declares(template: str, base: Path) -> None:
    declare(base, "gemma4", template)
    with pytest.raises(UserError, match=r"response_template in tokenizer_config\.json declares gemma4"):
        call_format(config())


def test_a_template_of_the_configuration_has_nothing_to_do_with_what_the_base_declares(base: Path) -> None:
    declare(base, "gemma4", NO_CALLS)
    Path("t.jinja").write_text(HERMES)
    assert call_format(config(chat_template="t.jinja"))[:2] == ("hermes", None)


DECLARED_BY_TRL = {
    "qwen3_template": "hermes",
    "qwen3_5_template": "qwen3_xml",
    "nemotron_3_template": "qwen3_xml",
    "glm4moe_template": "glm45",
    "llama3_template": "llama3_json",
    "gptoss_template": "openai",
    "lfm2_2_5_template": "lfm2",
    "gemma4_template": "gemma4",
    "deepseek_r1_distill_template": None,
}


@pytest.mark.parametrize("name", DECLARED_BY_TRL)
def test_what_trl_declares_is_the_format_of_its_templates(name: str) -> None:
    templates = pytest.importorskip("trl.chat_template_utils")
    format = DECLARED_BY_TRL[name]
    assert declared_formats(getattr(templates, name)) == ([format] if format else None)


TOKENIZERS: dict[str, tuple[dict[str, Any], bool]] = {
    "unknown": ({}, True),
    "tags are text": ({"tokenizer.json": {"added_tokens": [{"content": "<tool_call>", "special": False}]}}, False),
    "tags are special": ({"tokenizer.json": {"added_tokens": [{"content": "<tool_call>", "special": True}]}}, True),
    "another is special": ({"tokenizer.json": {"added_tokens": [{"content": "<|im_end|>", "special": True}]}}, False),
    "listed in the configuration": (
        {"tokenizer_config.json": {"added_tokens_decoder": {"7": {"content": "</tool_call>", "special": True}}}},
        True,
    ),
    "named in the configuration": (
        {
            "tokenizer.json": {"added_tokens": [{"content": "<tool_call>", "special": False}]},
            "tokenizer_config.json": {"additional_special_tokens": ["<tool_call>"], "eos_token": {"content": "</s>"}},
        },
        True,
    ),
    "thinking is special": ({"tokenizer.json": {"added_tokens": [{"content": "<think>", "special": True}]}}, True),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_the_tokenizer_says_whether_tags_have_to_be_asked_for(case: str, base: Path) -> None:
    files, special = TOKENIZERS[case]
    (base / "chat_template.jinja").write_text(HERMES)
    for name, content in files.items():
        (base / name).write_text(json.dumps(content))
    assert call_format(config()).special_tags is special


THINKS = CHAT.replace("assistant\n{%", "assistant\n{% if enable_thinking is not false %}<think>\n{% endif %}{%")


def test_whether_prompts_end_inside_thinking_follows_from_template_and_variables() -> None:
    thinking = config(chat_template="t.jinja")
    for template, prefilled in ((THINKS, True), (HERMES, False), ("{% for %}", False)):
        Path("t.jinja").write_text(template)
        assert prefills_thinking(thinking) is prefilled
    Path("t.jinja").write_text(THINKS)
    off = PromptConfig.model_validate({"template_kwargs": {"enable_thinking": False}})
    assert not prefills_thinking(thinking.model_copy(update={"prompt": off}))
    assert not prefills_thinking(config(base_model="owner/base"))
