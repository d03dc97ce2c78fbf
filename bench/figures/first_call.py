"""Time to first valid call (ttfvc): when an agent that reads the stream could have begun to act.

It is the time from sending to the first event after which the text so far holds a call that the whole answer keeps:
its JSON is complete, its tool is in the turn's catalog, and its schema accepts the arguments. The end tag need not have
come. The answer is parsed once, after the clock has stopped, and the place where the call ends is looked up among the
events: linear in the text and in the number of events.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from callproof.calls import calls_with_ends
from callproof.catalog import Catalog
from callproof.endpoint import Reply


def first_call_s(reply: Reply, catalog: Catalog) -> float | None:
    """Seconds from `reply.sent` to the event that completes the first valid call; None where there is none."""
    if reply.answer.error is not None or not reply.chunk_texts:
        return None
    text = reply.answer.text
    found = calls_with_ends(text, reply.answer.finish_reason)
    end = next((end for call, end in found if not catalog.problems(call)), None)
    if end is None:
        return None
    event = bisect_left(list(accumulate(_lengths(reply.chunk_texts))), _length(text[:end]))
    return reply.chunk_times[event] - reply.sent


def _lengths(texts: tuple[str, ...]) -> Iterator[int]:
    return (_length(text) for text in texts)


def _length(text: str) -> int:
    """In UTF-16 units: `Answer` joins halves of a surrogate pair that came in two events."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
