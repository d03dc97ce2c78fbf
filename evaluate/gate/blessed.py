"""The baseline that a run's report is held against: one that is chosen, or the blessed one of the run's own name."""

from collections.abc import Mapping

from pydantic import Field

from callproof.records import Record
from callproof.scoring import Difference, OutcomeLabel, Tally, differences

from ..runs import Run, RunInfo, choose_model, find_run
from .sides import read_side


class Blessed(Record):
    """A baseline's model. `problem` says why nothing is compared with it.

    Attributes:
        name: the one that it is blessed under, or None for a run that is not.
        outcomes: turn id -> what became of the turn, as the gate sees it (`evaluate.gate.sides.Judged`).
        differences: the run's column -> its `turn_exact` minus the baseline's, paired by turn.
    """

    name: str | None
    run_id: str
    model: str
    problem: str | None = None
    outcomes: dict[str, OutcomeLabel] = Field(default_factory=dict)
    differences: dict[str, Difference] = Field(default_factory=dict)


def blessed_for(run: Run, info: RunInfo, tallies: Mapping[str, Tally], name: str | None = None) -> Blessed | None:
    """The baseline of this name, or what `bless` made it under the name of this run, or None.

    Args:
        tallies: of the run, by column.
        name: a run's folder or id, or the name of a blessed run.

    Raises:
        UserError: there is no such run, it is not clear which of its models is meant, or a file of it is malformed.
    """
    place = run.path.parent / "baselines" / info.name
    if name is None and not (place / "baseline.json").is_file():
        return None
    baseline, blessed = find_run(name or str(place), run.path.parent)
    baseline_info = baseline.info()
    model = choose_model(baseline_info, blessed, "`bless --model`")
    named = {"name": baseline.path.name if blessed else None, "run_id": baseline_info.run_id, "model": model}
    if problems := info.identity.differences(baseline_info.identity):
        return Blessed.model_validate({**named, "problem": f"the runs differ in {problems[0]}"})
    if baseline_info.state:
        return Blessed.model_validate({**named, "problem": f"it is {baseline_info.state}"})
    side = read_side(baseline, baseline_info, model, info.identity.main_channel)
    changes = {column: differences(tally, side.tally)["turn_exact"] for column, tally in tallies.items()}
    outcomes = {turn_id: judged.outcome for turn_id, judged in side.judged.items()}
    return Blessed.model_validate({**named, "outcomes": outcomes, "differences": changes})
