"""What a finished run is turned into: metrics.json and report.html."""

from callproof.errors import UserError
from callproof.records import write_json
from evaluate.report import write_report
from evaluate.runs import Run
from evaluate.summary import Summary, by_model, summarise_run


def publish(run: Run, baseline: str | None = None) -> Summary:
    """Score the outcomes of a run and write both files; `baseline` is the model that others are compared with.

    Raises:
        UserError: the run holds no outcomes.
    """
    info = run.info()
    outcomes = by_model(run.outcomes(), info.models)
    if not all(outcomes.values()):
        raise UserError(run.outcomes_path, "holds no outcomes of some model", "finish the run with --resume")
    summary = summarise_run(info, outcomes, baseline)
    write_json(run.metrics_path, summary.model_dump(mode="json"))
    write_report(run.report_path, info, summary, run.turns(), outcomes)
    return summary
