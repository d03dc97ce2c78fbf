"""Failed requests are counted against a limit."""

import pytest

from bench.figures import count_failures, parse_error_limit
from callproof.errors import UserError


@pytest.mark.parametrize(
    ("limit", "failed", "sent", "above"),
    [("1%", 2, 200, False), ("1%", 3, 200, True), ("0%", 1, 200, True), ("0", 0, 200, False), ("5", 5, 6, False),
     ("5", 6, 600, True), ("0.5%", 1, 200, False), ("100%", 9, 9, False)],
)  # fmt: skip
def test_a_limit_is_a_share_or_a_count(limit: str, failed: int, sent: int, above: bool) -> None:
    errors = ["timed out"] * failed + [None] * (sent - failed)
    assert count_failures(errors, parse_error_limit(limit)).above is above


def test_the_line_names_the_commonest_reason() -> None:
    errors = ["HTTP 500: out\nof memory", None, "timed out", "HTTP 500: out\nof memory"]
    failures = count_failures(errors, parse_error_limit("1%"))
    assert failures.words == "3 of 4 requests failed, above 1%; most often: HTTP 500: out of memory"
    assert count_failures([None, None], None).words == "0 of 2 requests failed"
    assert failures.as_json() == {
        "errors": 3, "requests": 4, "reason": "HTTP 500: out of memory", "limit": "1%", "above": True,
        "words": failures.words,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "one", "-1", "1.5", "101%", "nan%", "1 %", "%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is neither a share nor a count"):
        parse_error_limit(text)


def test_a_long_reason_is_cut_to_two_hundred_characters() -> None:
    whole, long = count_failures(["x" * 200], None), count_failures(["x" * 201], None)
    assert (whole.reason, long.reason) == ("x" * 200, "x" * 200 + " ...")
