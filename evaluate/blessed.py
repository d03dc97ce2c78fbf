"""The blessed baseline that a run's report is held against: the one of the run's own name, where there is one."""

from collections.abc import Mapping

from pydantic import Field

from callproof.metrics import Difference, differences
from callproof.outcomes import OutcomeLabel
from callproof.records import Record
from callproof.tally import Tally
from evaluate.bless import find_run
from evaluate.runs import Run, RunInfo
from evaluate.sides import read_side


class Blessed(Record):
    """A baseline's model. `problem` says why nothing is compared with it.

    Attributes:
        outcomes: turn id -> what became of the turn, as the gate sees it (`evaluate.sides.Judged`).
        differences: the run's column -> its `turn_exact` minus the baseline's, paired by turn.
    """

    name: str
    run_id: str
    model: str
    problem: str | None = None
    outcomes: dict[str, OutcomeLabel] = Field(default_factory=dict)
    differences: dict[str, Difference] = Field(default_factory=dict)


def blessed_for(run: Run, info: RunInfo, tallies: Mapping[str, Tally]) -> Blessed | None:
    """What `bless` made the baseline under the name of this run, or None.

    Args:
        tallies: of the run, by column.

    Raises:
        UserError: a file of the baseline is malformed.
    """
    place = run.path.parent / "baselines" / info.name
    if not (place / "baseline.json").is_file():
        return None
    held, model = find_run(str(place), run.path.parent)
    theirs = held.info()
    name = {"name": info.name, "run_id": theirs.run_id, "model": model}
    if problems := info.identity.differences(theirs.identity):
        return Blessed.model_validate({**name, "problem": f"the runs differ in {problems[0]}"})
    side = read_side(held, theirs, str(model), info.identity.main_channel)
    found = {column: differences(tally, side.tally)["turn_exact"] for column, tally in tallies.items()}
    outcomes = {turn_id: judged.outcome for turn_id, judged in side.judged.items()}
    return Blessed.model_validate({**name, "outcomes": outcomes, "differences": found})
