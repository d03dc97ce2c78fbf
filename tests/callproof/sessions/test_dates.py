"""A session's own date is read wherever records have one, and kept wherever sessions are written."""

import json
from typing import Any

import pytest

from callproof.errors import UserError
from callproof.sessions import to_session
from callproof.sessions.conversations import Account, merged_sessions
from callproof.sessions.dates import recorded_at
from callproof.sessions.sources import Found

TALK = [{"role": "user", "content": "Today?"}, {"role": "assistant", "content": "Monday."}]
NOON = "2026-05-04T12:00:00+00:00"
SECONDS = 1777896000
"""NOON, by `date -u -d 2026-05-04T12:00:00Z +%s`."""


@pytest.mark.parametrize(
    ("record", "at"),
    [
        ({"at": "2026-05-04"}, "2026-05-04"),
        ({"timestamp": "2026-05-04T12:00:00Z"}, "2026-05-04T12:00:00Z"),
        ({"metadata": {"timestamp": "2026-05-04 14:00"}}, "2026-05-04 14:00"),
        ({"created": SECONDS}, NOON),
        ({"metadata": {"created_at": SECONDS * 1000}}, NOON),
        ({"metadata": {"startTime": float(SECONDS)}}, NOON),
        ({"created": str(SECONDS)}, NOON),
        ({"metadata": {"timestamp": "", "created": SECONDS}}, NOON),
        ({"at": "2026-01-01", "created": SECONDS}, "2026-01-01"),
        ({}, None),
    ],
)
def test_a_date_is_read_from_beside_the_messages_and_kept(record: dict[str, Any], at: str | None) -> None:
    session = to_session({**record, "messages": TALK}, "here", "s")
    assert session.at == at
    assert to_session(session.record(), "here", "s") == session


@pytest.mark.parametrize("value", ["yesterday", 12, True, -SECONDS, 10**400, "12:30", ["2026-05-04"], "0001-01-01"])
def test_what_is_no_date_is_none(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorded_at({"metadata": {"timestamp": value}}) is None
    assert capsys.readouterr().err in ("", _SAID)  # once a process


_SAID = "a session's 'timestamp' is used as its date only where it is ISO 8601 or seconds since 1970\n"


def test_a_wrong_date_of_the_own_form_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^here: at: .*expected a date in ISO 8601 such as 2026-05-04T10:30:00\+02:00"):
        to_session({"messages": TALK, "at": "yesterday"}, "here", "s")


ANSWER = {"created": SECONDS, "choices": [{"message": TALK[1], "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "row",
    [
        {"request": {"messages": TALK[:1]}, "response": ANSWER},
        {"request": {"messages": TALK[:1]}, "response": json.dumps(ANSWER)},
        {"request": {"body": {"messages": TALK[:1]}}, "response": {"status": 200, "body": ANSWER}},
        {"messages": TALK[:1], **ANSWER},
        {"timestamp": SECONDS, "request": {"messages": TALK[:1]}, "response": {"choices": ANSWER["choices"]}},
    ],
)
def test_a_logged_request_has_the_date_of_its_line_or_of_its_bodies(row: dict[str, Any]) -> None:
    assert to_session(row, "here", "s").at == NOON
    ((_, session),) = merged_sessions(lambda: iter([Found("here", "s", row)]), None, Account())
    assert session.at == NOON


def test_what_a_user_says_is_no_date_of_the_session() -> None:
    record = {"input": json.dumps({"created": SECONDS}), "response": "Yes."}
    assert to_session(record, "here", "s").at is None
