"""One hostile string through the writers: it stays a text in each format, and starts no line or tag of its own."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from callproof.catalog import read_catalog
from callproof.config import ModelConfig
from callproof.console.ci import Suite, code, escape
from callproof.console.html import embedded
from callproof.errors import UserError
from callproof.sessions import read_sessions
from serve.platforms.text import output

HOSTILE = "a\n## PASS\nkind: Pod\n---\n</script>|`\"\\x'\x1b[2J\u202e\ud800,=1+1\r\x85\u2028b"


def test_no_head_of_a_yaml_file_ends_early() -> None:
    text = output([{"kind": "One", "name": "x"}], [f"copy {HOSTILE}"], f"use {HOSTILE}").text
    assert list(yaml.safe_load_all(text)) == [{"kind": "One", "name": "x"}]
    assert [line[0] for line in text.splitlines()[:2]] == ["#", "#"]


@pytest.mark.parametrize("write", [escape, code, lambda text: str(UserError(text, text, text))])
def test_markdown_and_messages_stay_on_one_line(write) -> None:
    text = write(HOSTILE)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    text.encode()


def test_a_table_of_markdown_has_no_more_cells() -> None:
    assert not {"|", "`"} & set(code(HOSTILE))


def test_junit_is_xml_that_can_be_read() -> None:
    suite = Suite("gate")
    suite.failure(suite.case("gate", HOSTILE, HOSTILE), "fail", HOSTILE)
    root = ElementTree.fromstring(suite.xml().encode())
    assert len(root.findall("testcase")) == 1


def test_no_data_ends_the_script_of_a_page() -> None:
    assert "<" not in embedded({"name": HOSTILE.replace("\ud800", "")})


NAMES = ["a\nkind: Pod", "a\r## PASS", "a\x1b[2J", "a\u202eb", "a\u2028b", "a\x85b", "a\x00"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_could_end_a_line_are_refused_at_the_door(name: str, tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"type": "function", "function": {"name": name}}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"tools\.json.* a name on one line, without control characters"):
        read_catalog(tools)
    sessions = tmp_path / "s.jsonl"
    question = {"role": "user", "content": "Hello"}
    line = {"session_id": name, "messages": [question, {"role": "assistant", "content": "Hi"}]}
    sessions.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"s\.jsonl:1.* a name on one line"):
        list(read_sessions([str(sessions)]))
    for model in ({"base_model": name}, {"name": name}, {"revision": name}):
        with pytest.raises(ValueError, match="a name on one line"):
            ModelConfig.model_validate(model)


@pytest.mark.parametrize("name", ["Zürich 🚗", "日本\u3000語", "a\u00a0b", "تسعة"])
def test_names_of_every_language_are_names(name: str) -> None:
    assert ModelConfig(base_model=name, name=name).served_name == name
