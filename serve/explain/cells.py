"""The table of arms and channels: in each cell two sides of the same turns, and where they first part.

Arms are models: the base, the base with an adapter that changes nothing (its B is zero), the adapter, and the adapter
merged by transformers. Channels are the way of an answer to the client: the prompt, the raw tokens of a request that is
sent alone, the same beside others, the calls that the server's parser returns, and the streamed answer.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from callproof.records import Record
from callproof.turns import Greedy

Arm = Literal["base", "identity", "adapter", "merged"]
Way = Literal["prompt", "raw", "beside", "served", "streamed"]
Unit = Literal["token", "character", "call", "finish reason"]
ARMS: tuple[Arm, ...] = ("base", "identity", "adapter", "merged")
WAYS: tuple[Way, ...] = ("prompt", "raw", "beside", "served", "streamed")
TIE = 0.01
"""Lead of a token over the next best, in nats, within which two right implementations may choose differently."""


class Place(Record):
    """Where two sides part: the turn, and the number of the token, character or call, from 0."""

    turn_id: str
    unit: Unit
    at: int

    def __str__(self) -> str:
        return f"{self.turn_id}, {self.unit} {self.at}"


class Cell(Record):
    """`differing` of the `compared` turns part from the other side, `against`; `first`: where, of the first of them."""

    arm: Arm
    way: Way
    against: str
    compared: int
    differing: int
    first: Place | None = None


def cell(arm: Arm, way: Way, against: str, places: Iterable[Place | None]) -> Cell:
    """The cell of these comparisons, None where a turn's sides are equal."""
    places = list(places)
    differing = [place for place in places if place is not None]
    first = differing[0] if differing else None
    return Cell(arm=arm, way=way, against=against, compared=len(places), differing=len(differing), first=first)


def parting(turn_id: str, unit: Unit, one: Sequence[Any], other: Sequence[Any]) -> Place | None:
    """Where two sequences part, their ends included; None if they are equal."""
    shorter = min(len(one), len(other))
    at = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    return None if at == len(one) == len(other) else Place(turn_id=turn_id, unit=unit, at=at)


def leaving(turn_id: str, said: Sequence[int], reference: Greedy) -> Place | None:
    """Where an answer leaves the reference, other than at a near tie, behind which nothing can be compared."""
    for at, (one, other) in enumerate(zip(said, reference.tokens, strict=False)):
        if one != other:
            tie = bool(reference.leads) and reference.leads[at] < TIE
            return None if tie else Place(turn_id=turn_id, unit="token", at=at)
    return None
