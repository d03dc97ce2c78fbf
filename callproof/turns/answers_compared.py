"""What a server said to turns, token by token, and what transformers says to them: the two files of `serve explain`."""

from pydantic import Field

from callproof.records import Record


class Greedy(Record):
    """A greedy answer: token ids, the one that ended it included, and the log-probability of each in nats.

    `leads`: by how much each token is more likely than the next best, in nats; empty where it is not known.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    leads: tuple[float, ...] = ()


class ServedAnswers(Record):
    """The prompt that a server makes of a turn, and how its base and an adapter on it answer."""

    turn_id: str
    prompt: tuple[int, ...]
    base: Greedy
    adapter: Greedy


class ReferenceAnswers(Record):
    """A turn's prompt as training encodes it, and the answers of the base alone and with the adapter merged into it.

    `merged` is None where the adapter cannot be loaded.
    """

    turn_id: str
    prompt: tuple[int, ...]
    base: Greedy
    merged: Greedy | None


class Fit(Record):
    """How far a server's answers are from the base with `factor` times the trained adapter.

    `deviation`: mean distance of the log-probabilities of the server's tokens, in nats. At 0 it is the base itself.
    """

    factor: float
    deviation: float


class Reference(Record):
    """The answers of transformers, in the order of the turns, and the fits by ascending factor; 1 is among them."""

    turns: tuple[ReferenceAnswers, ...]
    fits: tuple[Fit, ...] = Field(default=())
