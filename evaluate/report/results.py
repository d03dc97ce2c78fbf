"""Turns the outcomes of a run into metrics.json and report.html.

The outcomes are streamed once. Of every turn only its numbers are kept (`callproof.scoring.tally`); of the first ones
also what the report shows (`evaluate.report.report.Explorer`).
"""

from callproof.console import say
from callproof.errors import UserError
from callproof.records import write_json
from callproof.scoring import Countable, Outcome, TallyCounter

from ..gate import blessed_for
from ..replay import Disagreement
from ..runs import Run, RunInfo, read_as
from .report import Explorer, write_report
from .summary import Summary, series, summarise_run


def publish(run: Run, baseline: str | None = None, blessed: str | None = None) -> Summary:
    """Score the outcomes of a run and write both files.

    Args:
        baseline: the model that others are compared with.
        blessed: the run that the report is held against; see `evaluate.gate.blessed`.

    Raises:
        UserError: the run holds no outcomes of some model, a malformed line, or the baseline cannot be read.
    """
    info = run.info()
    reading = _Reading(run, info)
    if run.outcomes_path.exists():
        reading.read()
    tallies = {name: counter.tally() for name, counter in reading.counters.items()}
    if not all(tally.rows for tally in tallies.values()):
        raise UserError(run.outcomes_path, "holds no outcomes of some model", "finish the run with --resume")
    summary = summarise_run(info, tallies, baseline, reading.disagreement.rates())
    held = blessed_for(run, info, tallies, blessed)
    if blessed and held and held.problem:
        say(f"warning: {blessed} is not compared: {held.problem}")
    write_report(run.report_path, info, summary, reading.explorer, held)
    write_json(run.metrics_path, summary.model_dump(mode="json"))
    return summary


class _Reading:
    """Reads the outcomes of a run: the numbers of all, and what the report shows of the first turns."""

    def __init__(self, run: Run, info: RunInfo) -> None:
        self._run, self._both, self._names = run, info.identity.channel == "both", series(info)
        self.counters = {name: TallyCounter() for name in self._names.values()}
        self.explorer = Explorer(self._names.values(), run.turns(), info.identity.match)
        self.disagreement = Disagreement()

    def read(self) -> None:
        for countable, line in read_as(self._run.outcomes_path, Countable):
            name = self._name(countable)
            self.counters[name].add(countable)
            if countable.turn_id in self.explorer:
                self.explorer.add(name, line.read(Outcome))
            if self._both:
                self.disagreement.add(line)

    def _name(self, countable: Countable) -> str:
        name = self._names.get((countable.model, countable.channel))
        if name is None:
            problem = f"holds an outcome of {countable.model} ({countable.channel}), which run.json does not name"
            raise UserError(self._run.outcomes_path, problem, "evaluate again under another --run-id")
        return name
