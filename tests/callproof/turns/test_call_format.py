"""The format of calls follows from the chat template that is served, and whatever does not fit is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from callproof.config import PromptConfig, RunConfig
from callproof.errors import UserError
from callproof.turns import call_format, chat_template, readable_format

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
    assert call_format(plain) == ("hermes", None)


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
    assert call_format(config("xlam", base_model="owner/base")) == ("xlam", None)


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
        name, warning = call_format(shown)
        assert (name, warning is not None) == ("hermes" if parser == "auto" else parser, warned)


def test_a_format_that_cannot_be_read_here_is_refused_with_those_that_can() -> None:
    with pytest.raises(UserError, match=r"serve.tool_call_parser: 'step3' is no format .*name one of: .*hermes"):
        readable_format(config("step3"))
