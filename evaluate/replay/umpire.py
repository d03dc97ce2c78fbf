"""Who may end a replay before every session is asked."""

from collections.abc import Sequence
from typing import Protocol

from callproof.turns import Turn

from ..runs import Run, RunInfo


class Umpire(Protocol):
    """Chooses the order of the sessions, and looks at the answers between stages; see `evaluate.until`."""

    def begin(self, run: Run, info: RunInfo, turns: Sequence[Turn]) -> RunInfo:
        """What run.json is to say of a run that begins, or that goes on; raises a UserError where none can be made."""
        ...

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        """Ids of all sessions in the order in which they are asked, cut where to look."""
        ...

    def sure(self) -> bool:
        """Look at the answers to all stages so far: whether the rest need not be asked."""
        ...
