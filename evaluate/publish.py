"""What a finished run is turned into: metrics.json and report.html.

The outcomes are read once and as a stream: of each turn its numbers are kept (see `callproof.tally`), and of the turns
that the report shows their outcomes.
"""

from collections.abc import Iterator
from itertools import islice

from callproof.command_line import say
from callproof.errors import UserError
from callproof.outcomes import Outcome
from callproof.records import write_json
from callproof.tally import Countable, TallyCounter
from evaluate.blessed import blessed_for
from evaluate.channels import Disagreement
from evaluate.report import MAX_TURNS, write_report
from evaluate.runs import OutcomeLine, Run, RunInfo, read_as
from evaluate.summary import Summary, series, summarise_run


def publish(run: Run, baseline: str | None = None, blessed: str | None = None) -> Summary:
    """Score the outcomes of a run and write both files.

    Args:
        baseline: the model that others are compared with.
        blessed: the run that the report is held against; see `evaluate.blessed`.

    Raises:
        UserError: the run holds no outcomes of some model, a malformed line, or the baseline cannot be read.
    """
    info = run.info()
    reading = _Reading(info)
    if run.outcomes_path.exists():
        reading.read(run)
    tallies = {name: counter.tally() for name, counter in reading.counters.items()}
    if not all(tally.rows for tally in tallies.values()):
        raise UserError(run.outcomes_path, "holds no outcomes of some model", "finish the run with --resume")
    summary = summarise_run(info, tallies, baseline, reading.disagreement.rates())
    held = blessed_for(run, info, tallies, blessed)
    if blessed and held and held.problem:
        say(f"warning: {blessed} is not compared: {held.problem}")
    write_report(run.report_path, info, summary, run.turns(), reading.shown, held)
    write_json(run.metrics_path, summary.model_dump(mode="json"))
    return summary


class _Lines:
    """Outcomes that are kept as they stand in the file, and parsed whenever they are asked for."""

    def __init__(self) -> None:
        self._lines: list[OutcomeLine] = []

    def append(self, line: OutcomeLine) -> None:
        self._lines.append(line)

    def __iter__(self) -> Iterator[Outcome]:
        return (line.read(Outcome) for line in self._lines)


class _Reading:
    """What is kept of the outcomes of a run: numbers of all, and the outcomes of the turns that the report shows."""

    def __init__(self, info: RunInfo) -> None:
        names = series(info)
        self.counters = {name: TallyCounter() for name in names.values()}
        self.shown = {name: _Lines() for name in names.values()}
        self.disagreement = Disagreement()
        self._info, self._names = info, names

    def read(self, run: Run) -> None:
        turns = {turn.turn_id for turn in islice(run.turns(), MAX_TURNS)}
        both = self._info.identity.channel == "both"
        for countable, line in read_as(run.outcomes_path, Countable):
            name = self._name(run, countable)
            self.counters[name].add(countable)
            if countable.turn_id in turns:
                self.shown[name].append(line)
            if both:
                self.disagreement.add(line)

    def _name(self, run: Run, found: Countable) -> str:
        name = self._names.get((found.model, found.channel))
        if name is None:
            problem = f"holds an outcome of {found.model} ({found.channel}), which run.json does not name"
            raise UserError(run.outcomes_path, problem, "evaluate again under another --run-id")
        return name
