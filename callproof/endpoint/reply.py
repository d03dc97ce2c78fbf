"""What comes back of one attempt to have a chat completion."""

from dataclasses import dataclass

from callproof.scoring import Answer


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one attempt; times are `time.perf_counter()` seconds.

    `chunk_times` and `chunk_texts` (what each chunk added to the text) are empty unless streamed. `finished` is when
    the whole body had been read, usage chunk and `[DONE]` included; the end-to-end latency of `vllm bench serve` ends
    at `chunk_times[-1]`. `again`: there is no answer, but another attempt may bring one, after the `pause_s` seconds
    that the server asked for. `pieces`: how many chunks carried a piece of the answer; those that only give the role or
    the finish reason do not; `first_piece`: the number of the first that did, from 0. `waited_s`: how long the request
    waited in this process for a free slot, before `sent`. `tokens`: the ids that the request asked for and the server
    told, while their text is still to be had (`Endpoint.written`); `from_tokens`: the text is that of the token ids,
    not what the server's parsers left of it.
    """

    answer: Answer
    status: int | None
    sent: float
    chunk_times: tuple[float, ...]
    finished: float
    again: bool = False
    pause_s: float = 0.0
    chunk_texts: tuple[str, ...] = ()
    pieces: int = 0
    first_piece: int | None = None
    waited_s: float = 0.0
    tokens: tuple[int, ...] | None = None
    from_tokens: bool = False


class Failure(Exception):
    """One attempt that brought no answer; fields as in `Reply`."""

    def __init__(self, message: str, status: int | None, again: bool, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.again, self.pause_s = status, again, pause_s
