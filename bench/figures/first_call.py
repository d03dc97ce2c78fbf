"""Time to first valid call (ttfvc): when an agent that reads the stream could have begun to act.

It is the time from sending to the event that completes the first valid call of the answer: one whose tool is in the
turn's catalog and whose arguments its schema accepts. The call counts as complete before its end tag has arrived. The
answer is parsed once, after the clock has stopped, and the end of the call is looked up among the events: time is
linear in the text and in the number of events.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from callproof.calls import calls_with_ends
from callproof.catalog import Catalog
from callproof.endpoint import Reply


def first_call_s(reply: Reply, catalog: Catalog, format: str = "hermes") -> float | None:
    """Seconds from `reply.sent` to the event that completes the first valid call; None without one.

    None too where the server's parser takes calls out of what it streams, so that no event completes one.
    """
    if reply.answer.error is not None or not reply.chunk_texts or reply.from_tokens:
        return None
    text = reply.answer.text
    calls = calls_with_ends(text, reply.answer.finish_reason, format, catalog.parameters)
    end = next((end for call, end in calls if not catalog.validity_in_time(call).problems), None)
    if end is None:
        return None
    event = bisect_left(list(accumulate(_lengths(reply.chunk_texts))), _length(text[:end]))
    return reply.chunk_times[event] - reply.sent


def _lengths(texts: tuple[str, ...]) -> Iterator[int]:
    return (_length(text) for text in texts)


def _length(text: str) -> int:
    """The length in UTF-16 units, since `Answer` joins the halves of a surrogate pair that came in two events."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
