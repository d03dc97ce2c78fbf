"""Requests of other sites are told from those of a server's own pages."""

import pytest

from callproof.console.own_site import is_foreign


@pytest.mark.parametrize(
    ("host", "origin", "foreign"),
    [
        ("127.0.0.1:8001", None, False),
        ("localhost:8001", "http://localhost:8001", False),
        ("[::1]:8001", "http://[::1]:8001", False),
        ("localhost", "https://localhost", False),
        ("evil.example:8001", None, True),
        ("127.0.0.1.evil.example", None, True),
        ("localhost:8001", "http://localhost:9999", True),
        ("localhost:8001", "http://evil.example", True),
        ("localhost:8001", "null", True),
        ("localhost:8001", "", True),
        ("", None, True),
        ("[::1", None, True),
    ],
)
def test_a_server_of_this_machine_answers_its_own_pages_alone(host: str, origin: str | None, foreign: bool) -> None:
    assert is_foreign(host, origin) == foreign


def test_a_server_of_any_name_still_refuses_other_origins() -> None:
    assert not is_foreign("trainer.example", "https://trainer.example", None)
    assert is_foreign("trainer.example", "https://evil.example", None)
