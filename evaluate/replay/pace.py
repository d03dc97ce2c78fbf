"""How fast a run is answered, and how well so far, for the progress display."""

import time


class Pace:
    """Counts outcomes as they land; outcomes of an earlier, interrupted attempt do not count for the rate."""

    def __init__(self) -> None:
        self._before = self._landed = self._exact = self._infra = 0
        self._began = time.perf_counter()

    @property
    def landed(self) -> int:
        """How many outcomes there are, those of an earlier attempt included."""
        return self._landed

    def recall(self, label: str) -> None:
        """Count an outcome of an earlier attempt."""
        self.land(label)
        self._before += 1

    def land(self, label: str) -> None:
        """Count an outcome of this attempt."""
        self._landed += 1
        self._exact += label == "ok"
        self._infra += label == "infra_error"

    def tell(self, done: int, total: int | None) -> str:
        """`12 of 80 turns, 3.1/s, 92% exact, 1 unanswered`."""
        rate = (self._landed - self._before) / max(time.perf_counter() - self._began, 1e-9)
        unanswered = f", {self._infra} unanswered" if self._infra else ""
        return f"{done} of {total} turns, {rate:.1f}/s, {self._exact / max(self._landed, 1):.0%} exact{unanswered}"
