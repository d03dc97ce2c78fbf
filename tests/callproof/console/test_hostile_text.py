"""One hostile string through the writers: it stays a text in each format, and starts no line or tag of its own."""

from xml.etree import ElementTree

import pytest
import yaml

from callproof.console.ci import Suite, code, escape
from callproof.console.html import embedded
from callproof.errors import UserError
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
