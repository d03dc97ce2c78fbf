"""How often the verdict of the tool that made a run is the same as ours."""

from dataclasses import dataclass, field

from callproof.scoring import Outcome

_NAMED = 5


@dataclass
class Verdicts:
    """`same`: answers with one verdict; `right_there`: the turns that only the tool finds right, `right_here`: only we.

    A failed request is right nowhere.
    """

    same: int = 0
    right_there: list[str] = field(default_factory=list)
    right_here: list[str] = field(default_factory=list)

    def add(self, turn_id: str, verdict: bool, outcome: Outcome) -> None:
        """Count an answer."""
        here = outcome.outcome == "ok"
        if here == verdict:
            self.same += 1
        else:
            (self.right_here if here else self.right_there).append(turn_id)

    def merge(self, other: "Verdicts") -> None:
        """Add the counts of another."""
        self.same += other.same
        self.right_there += other.right_there
        self.right_here += other.right_here

    def counts(self) -> dict[str, int]:
        """The three counts."""
        return {"same": self.same, "right_there": len(self.right_there), "right_here": len(self.right_here)}

    def says(self) -> str:
        """One line: how many agree, and which do not."""
        total = self.same + len(self.right_there) + len(self.right_here)
        told = [f"its tool's own verdict is the same in {self.same:,} of {total:,} answers"]
        for where, turns in (("there and wrong here", self.right_there), ("here and wrong there", self.right_here)):
            if turns:
                named = ", ".join(dict.fromkeys(turns[:_NAMED])) + (" ..." if len(turns) > _NAMED else "")
                told.append(f"right {where}: {len(turns):,} ({named})")
        return "; ".join(told)
