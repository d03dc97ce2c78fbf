"""What `callproof evaluate` takes; what does it is imported when it runs, so that `--help` is quick."""

import argparse
from pathlib import Path

from callproof.console import Act, Command, Verb, add_config, count, late, positive, seconds
from callproof.errors import EXIT_FLOOR, EXIT_INCONCLUSIVE, EXIT_INVALID, EXIT_REGRESSION

_MANUAL = """Replay tool-eval turns against an endpoint, score, report, and gate one run against another.

Without a command it replays; `replay --help` lists its options. Tables go to stdout, whose last line is one JSON
object; progress goes to stderr.
"""
_EXAMPLES = """\
  callproof evaluate --config configs/car_sales.yaml
  callproof evaluate --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml --model tiny --limit-sessions 20
  callproof evaluate --config configs/car_sales.yaml --model tiny --run-id nightly --resume
  callproof evaluate --endpoint http://a:8000 --endpoint http://b:8000 --config .. --model .. --channel both
  callproof evaluate --config configs/car_sales.yaml --model car_sales eval.max_tokens=512 eval.turns=all
  callproof evaluate --config configs/car_sales.yaml --model tiny eval.examples=3
  callproof evaluate --config configs/car_sales.yaml --until-decided --baseline car_sales
  callproof evaluate score --turns runs/nightly/turns.jsonl --answers answers.jsonl --out runs/scored
  callproof evaluate report runs/nightly --baseline car_sales
  callproof evaluate import openai-log proxy.jsonl --out turns.jsonl
  callproof evaluate import runs logs/ --out imported
  callproof evaluate noise runs/nightly runs/nightly-2 runs/nightly-3
  callproof evaluate bless runs/nightly
  callproof evaluate gate car_sales runs/next --summary gate.md --junit gate.xml
  callproof evaluate runs
  callproof evaluate show runs/nightly --tool book_test_drive --limit 3
  callproof evaluate diff runs/nightly runs/next --json diff.json
  callproof evaluate rerun runs/nightly
  callproof evaluate prune --keep 5 --older-than 30
  callproof evaluate parity --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml
"""
_EXITS = {
    0: "done, or the gate passed",
    EXIT_REGRESSION: "regression, or no parity",
    EXIT_INVALID: "invalid run, out of time, or an endpoint that parity cannot ask",
    EXIT_INCONCLUSIVE: "inconclusive",
    EXIT_FLOOR: "a floor is broken",
}
_NOTES = """
An API key is taken from the variable that `eval.api_key_env` names, otherwise from CALLPROOF_API_KEY, VLLM_API_KEY or
OPENAI_API_KEY, and sent to every endpoint.
"""
_REPLAY_NOTES = """\
What is not given is taken from the `eval` section of each configuration.

  callproof evaluate --config configs/car_sales.yaml --until-decided --baseline car_sales --junit gate.xml

asks the adapter alone, looks after each eighth of the sessions, and stops where every margin passes, or one fails, on
one-sided 99.75 % limits. Where no look is sure every session is asked, and the verdict is that of `gate`. The exit code
is the verdict's. A run that stopped is no whole run: it is no baseline, and `gate` calls it invalid; with --resume, and
without --until-decided, the rest is asked.
"""
_ANSWERS = """\
Score saved answers, without an endpoint. They come as one JSON object a line: {"turn_id": .., "text": ..} with "model"
and "finish_reason" where known, or {"turn_id": .., "response": {..}} with a chat completion in OpenAI's form, or
outcomes.jsonl of an earlier run.
"""
_DIFF = """\
Hold any two runs, or two models of one, side by side: figures with the difference and its 95 % interval on the turns
that both answered, and the turns that flipped. What else differs between them is told, and refused nowhere: whether one
may replace the other, `gate` tells.
"""


def _replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    served = "as served; may be repeated; default: base and adapter of each --config"
    add("--model", action="append", metavar="NAME", help=served)
    add("--endpoint", action="append", metavar="URL", help="may be repeated; default: `serve` of the first --config")
    add("--baseline-model", metavar="NAME", help="the others are compared with it; default: the first --model")
    _add_baseline(parser)
    add("--limit-sessions", type=positive, metavar="N", help="the first N eval sessions only")
    _add_until(parser)
    add(
        "--channel",
        choices=("auto", "raw", "served", "both"),
        help="parse the text, take the server's tool_calls, or both; auto: the text where the server gives it",
    )
    add("--repeats", type=positive, metavar="K", help="answers to each turn, for pass^k; set a temperature too")
    add("--concurrency", type=positive, metavar="N", help="requests in flight at each endpoint")
    add("--timeout", type=seconds, metavar="S", dest="timeout_s", help="of one request, seconds")
    add("--run-timeout", type=seconds, metavar="S", dest="run_timeout_s", help="of a whole run, seconds")
    add("--retries", type=count, metavar="N", help="after transport errors, 429 and 5xx")
    add("--run-id", metavar="ID", help="folder of the run; default: <configuration>-<UTC time>")
    add("--out", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (default: runs)")
    add("--resume", action="store_true", help="finish the run of --run-id: ask only what has no answer yet")
    add_config(parser, "one run each; may be repeated", several=True)
    parser.epilog = _REPLAY_NOTES


def _add_until(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    meaning = "ask sessions in random order, and stop once the gate's verdict against --baseline is sure; see below"
    add("--until-decided", action="store_true", help=meaning)
    add("--order-seed", type=count, metavar="N", help="of that order; default: drawn, and kept in run.json")
    add("--summary", type=Path, metavar="F.md", help="of the verdict: write Markdown; added to $GITHUB_STEP_SUMMARY")
    add("--junit", type=Path, metavar="F.xml", help="of the verdict: write JUnit XML")


def _score(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--turns", required=True, type=Path, metavar="JSONL", help="turns, as in a run's turns.jsonl")
    add("--answers", required=True, type=Path, metavar="JSONL", help="answers; see below")
    add("--out", required=True, type=Path, metavar="DIR", help="folder for the scored run")
    add("--model", default="model", metavar="NAME", help="name for answers that carry none (default: model)")
    add("--channel", choices=("raw", "served"), default="raw", help="parse the text, or take the server's tool_calls")
    add(
        "--match", choices=("strict", "bfcl"), default="strict", help="compare by schema (the default), or as BFCL does"
    )
    add(
        "--format",
        default="auto",
        metavar="NAME",
        help="how raw answers write calls, or with --match bfcl which of BFCL's handlers reads them; auto: as most do",
    )
    add("--baseline-model", metavar="NAME", help="the others are compared with it; default: the first in the answers")
    _add_baseline(parser)
    bad_gold = parser.add_mutually_exclusive_group()
    bad_gold.set_defaults(bad_gold="refuse")
    for name, what in (("drop", "leave out turns whose gold breaks its schema"), ("keep", "score them all the same")):
        bad_gold.add_argument(f"--{name}-bad-gold", action="store_const", dest="bad_gold", const=name, help=what)


def _report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder or id")
    add("--baseline-model", metavar="NAME", help="the others are compared with it; default: the first of the run")
    add("--partial", action="store_true", help="report what is left of a run that has lost answers")
    _add_baseline(parser)
    _add_runs(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(dest="source", metavar="{runs,bfcl,bfcl-results,openai-log}", required=True)
    runs = _import_runs(sources)
    bfcl = sources.add_parser("bfcl", help="questions and possible answers of BFCL's single-turn categories")
    bfcl.add_argument("--questions", required=True, type=Path, metavar="F", help="BFCL_v4_<category>.json")
    bfcl.add_argument(
        "--answers", type=Path, metavar="F", help="possible_answer/BFCL_v4_<category>.json, if there is one"
    )
    bfcl.add_argument("--out", required=True, type=Path, metavar="TURNS.jsonl")
    results = sources.add_parser("bfcl-results", help="joined rows of questions, possible answers and outputs")
    results.add_argument("file", type=Path, metavar="FILE", help="JSONL; the model is named after it")
    results.add_argument("--out", required=True, type=Path, metavar="DIR", help="for turns.jsonl and answers.jsonl")
    log = sources.add_parser("openai-log", help="requests with responses; the assistant's answers become the gold")
    log.add_argument("file", type=Path, metavar="FILE", help="JSONL as proxies write it")
    log.add_argument("--out", required=True, type=Path, metavar="TURNS.jsonl")
    for source in (runs, bfcl, results, log):
        source.add_argument("--drop-bad-gold", action="store_true", help="leave out turns whose gold breaks its schema")


def _import_runs(sources: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    what = "runs of inspect_ai, lm-eval, BFCL, tau2, promptfoo, or GenAI spans"
    runs = sources.add_parser("runs", help=what)
    add = runs.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="files of one form, or folders of them")
    add("--out", required=True, type=Path, metavar="DIR", help="for turns.jsonl and answers.jsonl, which `score` takes")
    forms = ("auto", "inspect", "lm-eval", "bfcl", "tau2", "promptfoo", "otel")
    add("--form", choices=forms, default="auto", help="whose files they are; auto: told by their shape")
    add("--model", metavar="NAME", help="names the answers of a run of one model; default: as the run names it")
    right = runs.add_mutually_exclusive_group()
    where = "where in a record the expected calls stand, a dotted path such as metadata.expected"
    right.add_argument("--gold", metavar="PATH", help=where)
    right.add_argument("--gold-from", metavar="MODEL", help="take the answers of this model for the expected ones")
    add("--tools", type=Path, metavar="F.json", help="the tools of records that bring none, in any dialect")
    add("--data", type=Path, metavar="DIR", help="of BFCL: the folder of its questions and possible_answer/")
    return runs


def _gate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("baseline", metavar="BASELINE", help="a run's folder or id, or the name of a blessed run")
    add("candidate", metavar="CANDIDATE", help="a run's folder or id")
    add("--baseline-model", metavar="NAME", help="default: the blessed, the only one, or the configuration's name")
    add("--candidate-model", metavar="NAME", help="default: the only one, or the configuration's name")
    add(
        "--margin",
        action="append",
        default=[],
        metavar="METRIC=X",
        help="overrides one margin, such as turn_exact=0.02",
    )
    _add_channel(parser)
    add("--noise", type=Path, metavar="F.json", help="measured by `noise`; default: what was blessed with the baseline")
    add("--summary", type=Path, metavar="F.md", help="write Markdown; added to $GITHUB_STEP_SUMMARY")
    add("--junit", type=Path, metavar="F.xml", help="write JUnit XML")
    add("--json", type=Path, metavar="F.json", help="default: gate.json in the candidate's folder")
    _add_runs(parser)
    add_config(parser, "margins and floors; default: the candidate's own", required=False)


def _noise(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", nargs="+", metavar="RUN", help="two or more finished runs of one model: folders or ids")
    add("--model", metavar="NAME", help="default: the only one, or the configuration's name")
    _add_channel(parser)
    add("--out", type=Path, metavar="F.json", help="default: noise.json in the first run's folder, for `bless`")
    _add_runs(parser)


def _add_channel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channel", choices=("raw", "served"), help="of runs with both; default: raw")


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    meaning = "the report shows flips against it: a run's folder or id, or a blessed name; default: the run's own name"
    parser.add_argument("--baseline", metavar="NAME|RUN", help=meaning)


def _add_runs(parser: argparse.ArgumentParser) -> None:
    meaning = "where runs are kept (default: runs)"
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help=meaning)


def _bless(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(channel=None)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder or id")
    add("--as", dest="name", metavar="NAME", help="default: the name of the run's configuration")
    add("--model", metavar="NAME", help="the model to be beaten; default: the only one, or the configuration's name")
    _add_runs(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", metavar="NAME", help="only runs of the configuration of this name")
    add("--limit", type=positive, metavar="N", help="the newest N only")
    _add_runs(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder or id, or the name of a blessed run")
    add("turn", nargs="?", metavar="TURN", help="one turn by its id; default: those that the filters let through")
    add("--model", metavar="NAME", help="look at the answers of this one only")
    add("--outcome", default="not-ok", metavar="LABEL", help="such as wrong_args, any; default: not-ok")
    add("--tool", metavar="NAME", help="turns that expect a call of this tool; no-call: those that expect none")
    add("--tag", metavar="TAG", help="turns of sessions with this tag")
    add("--text", metavar="TEXT", help="turns with this text in the conversation, the gold or an answer")
    add("--differ", action="store_true", help="turns that some model answers right and another does not")
    add("--limit", type=positive, default=10, metavar="N", help="turns to print (default: 10)")
    add("--whole", action="store_true", help="whole conversations and texts, right answers and the tools' names too")
    _add_runs(parser)


def _diff(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run_a", metavar="RUN_A", help="a run's folder or id, or the name of a blessed run")
    add("run_b", metavar="RUN_B", help="likewise; every difference is this one minus RUN_A")
    add("--baseline-model", metavar="NAME", help="of RUN_A; default: the only one, or the configuration's name")
    add("--candidate-model", metavar="NAME", help="of RUN_B; likewise")
    _add_channel(parser)
    add("--report", type=Path, metavar="F.html", help="default: diff-<RUN_A>.html in the folder of RUN_B")
    add("--json", type=Path, metavar="F.json", help="write all figures and flips")
    _add_runs(parser)


def _rerun(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder or id; it is left as it is")
    add("--endpoint", action="append", metavar="URL", help="may be repeated; default: the run's own")
    add("--run-id", metavar="ID", help="of the new run; default: <configuration>-<UTC time>")
    add("--resume", action="store_true", help="finish the new run of --run-id")
    add("--baseline-model", metavar="NAME", help="the others are compared with it; default: the first of the run")
    _add_baseline(parser)
    _add_runs(parser)


def _prune(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--keep", type=count, default=10, metavar="N", help="the newest N of each configuration stay (default: 10)")
    add("--older-than", type=count, metavar="DAYS", help="only runs that began so many days ago; default: any")
    add("--name", metavar="NAME", help="only runs of the configuration of this name")
    add("--yes", action="store_true", help="do not ask")
    _add_runs(parser)


def _parity(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--endpoint", metavar="URL", help="default: `serve` of --config")
    add("--model", metavar="NAME", help="as served; default: the configuration's name")
    add("--out", type=Path, metavar="F.json", help="write what was found: every turn that differs")
    add_config(parser, "of the run that was trained")


def _act(command: str, module: str = "commands") -> Act:
    return late(f"{__package__}.{module}", command)


VERB = Verb(
    name="evaluate",
    manual=_MANUAL,
    default="replay",
    exits=_EXITS,
    examples=_EXAMPLES,
    notes=_NOTES,
    commands={
        "replay": Command("ask the eval turns of configurations of models, and score", _replay, _act("replay")),
        "score": Command("score saved answers, without an endpoint", _score, _act("score", "saved.command"), _ANSWERS),
        "report": Command("write the metrics and the report of a run anew", _report, _act("report", "report.command")),
        "import": Command("make tool-eval turns of other tools' runs, of BFCL's data or of a proxy's log", _import,
                          _act("import_turns", "importers.command")),
        "gate": Command("may the candidate replace the baseline? the exit code tells", _gate, _act("gate", "gate")),
        "noise": Command("how far metrics move between runs of one model; no margin may be below it", _noise,
                         _act("noise", "gate")),
        "bless": Command("make a run the baseline that gate knows by name", _bless, _act("bless", "gate")),
        "runs": Command("the runs that are kept: when, what, headline figures, gate", _list, _act("runs", "history")),
        "show": Command("failing turns in the terminal: conversation, gold, answer, reason", _show,
                        _act("show", "history")),
        "diff": Command("any two runs: figures and their difference on common turns, flips, a report", _diff,
                        _act("diff", "history"), _DIFF),
        "rerun": Command("ask the turns of a run again, with its settings, as a new run", _rerun, _act("rerun")),
        "prune": Command("delete old runs; blessed ones and baselines stay", _prune, _act("prune", "history")),
        "parity": Command("does the server feed the tokens that training showed the model?", _parity,
                          _act("parity", "parity")),
    },
)  # fmt: skip
main = VERB.main
