"""What a gate's result says to people, word for word, of a result that is written down here."""

from xml.etree import ElementTree

import pytest

from evaluate.gate.checks import Check
from evaluate.gate.gate import GateResult, SliceRow
from evaluate.gate.gate_table import print_flips, print_gate
from evaluate.gate.gate_text import explain, headline, junit, markdown, show_evidence
from evaluate.gate.sides import Flip

LOST = Check(
    metric="turn_exact", kind="margin", status="fail", reason="worse", baseline=0.9, candidate=0.75, n=80, turns=80,
    sessions=40, discordant=12, discordant_sessions=9, gain=-0.15, lower=-0.25, upper=-0.05, limit=0.02, noise=0.011,
)  # fmt: skip
BROKEN = Check(
    metric="hallucination_rate", slice="tag=a|b", kind="floor", status="fail", reason="the floor is broken",
    baseline=0.25, candidate=0.5, n=1200, sessions=1, limit=0.05,
)  # fmt: skip
DOUBT = Check(
    metric="name_f1", kind="margin", status="inconclusive", reason="too few turns to tell", baseline=0.5, candidate=0.5,
    n=3, turns=3, sessions=1, discordant=0, discordant_sessions=0, gain=0.0, lower=-0.071, upper=0.071, limit=0.02,
    turns_needed=1380, sessions_needed=138, margin_needed=0.071,
)  # fmt: skip
HELD = Check(metric="parse_rate", kind="floor", status="pass", reason="holds", candidate=1.0, n=40, limit=0.98)
ABSENT = Check(metric="schema_valid", kind="floor", status="not applicable", reason="no turn has it", n=0, limit=0.9)
FLIP = Flip(turn_id="s1/1", baseline="ok", candidate="wrong_args", reasons=("expected 1", "got 2"))
BACK = Flip(turn_id="s2/1", baseline="missed_call", candidate="ok", reasons=())


def result(*checks: Check, **fields: object) -> GateResult:
    sides = {
        "baseline": {"run": "runs/one", "run_id": "one", "model": "base"},
        "candidate": {"run": "runs/two", "run_id": "two", "model": "tuned"},
    }
    return GateResult.model_validate({"verdict": "regression", "exit_code": 1, **sides, "checks": checks, **fields})


WHOLE = result(
    LOST, BROKEN, DOUBT, HELD, ABSENT, turns=80, sessions=40, warnings=("the servers differ: 1 against 2",),
    slices=(
        SliceRow(slice="tag=a", n=20, baseline=0.5, candidate=0.5),
        SliceRow(slice="tag=b", n=30, baseline=0.75, candidate=0.25),
        SliceRow(slice="tag=c", n=10, baseline=None, candidate=0.75),
    ),
    broken=(FLIP,), mended=(BACK,),
)  # fmt: skip


def test_the_summary_holds_every_check_slice_and_flip():
    assert (
        markdown(WHOLE)
        == """\
## Gate: REGRESSION

**turn\\_exact is 15.0 points worse than the baseline's, the margin is 2**

Candidate `tuned` of `two` against baseline `base` of `one`, 80 turns of 40 sessions.

- **Warning:** the servers differ: 1 against 2

| | check | baseline | candidate | gain, one-sided 95 % limits | limit | turns | |
|---|---|---|---|---|---|---|---|
| ✗ | `turn_exact` | 90.0 | 75.0 | -15.0 [-25.0, -5.0] | margin 2, noise 1.1 | 12 of 80 differ, 40 sessions | worse |
| ✗ | `hallucination_rate` of `tag=a¦b` | 25.0 | 50.0 |  | floor 5 | n 1,200 | the floor is broken |
| ? | `name_f1` | 50.0 | 50.0 | +0.0 [-7.1, +7.1] | margin 2 | 0 of 3 differ, 1 session | too few turns to tell; \
about 1,380 such turns in 138 sessions would settle it, or these turns pass a margin of 7.1 |
| ✓ | `parse_rate` | – | 100.0 |  | floor 98 | n 40 | holds |
| – | `schema_valid` | – | – |  | floor 90 | n 0 | no turn has it |

<details><summary>turn_exact of 3 slices</summary>

| slice | n | baseline | candidate |
|---|---|---|---|
| `tag=b` | 30 | 75.0 | 25.0 |
| `tag=a` | 20 | 50.0 | 50.0 |
| `tag=c` | 10 | – | 75.0 |

</details>

<details><summary>Broken: 1 turns</summary>

- `s1/1`: ok → wrong_args (expected 1)

</details>

<details><summary>Mended: 1 turns</summary>

- `s2/1`: missed_call → ok

</details>
"""
    )


def test_of_many_slices_and_flips_fifty_are_shown_and_the_rest_counted():
    rows = tuple(SliceRow(slice=f"position={number}", n=1, baseline=1.0, candidate=1.0) for number in range(53))
    text = markdown(result(slices=rows, broken=(FLIP,) * 52))
    assert (text.count("| `position="), text.count("- `s1/1`")) == (50, 50)
    assert "and 3 more, in gate.json" in text
    assert "and 2 more, in gate.json" in text
    assert "more, in gate.json" not in markdown(result(slices=rows[:50], broken=(FLIP,) * 50))


def test_what_is_invalid_or_refused_says_why_and_has_no_turns():
    text = markdown(result(verdict="invalid", problems=("the runs differ in turns", "and in prompt")))
    assert (
        text
        == """\
## Gate: INVALID

**the runs differ in turns**

Candidate `tuned` of `two` against baseline `base` of `one`.

- **Invalid:** the runs differ in turns
- **Invalid:** and in prompt
"""
    )


@pytest.mark.parametrize(
    ("verdict", "checks", "line"),
    [
        ("regression", (BROKEN, LOST), "turn_exact is 15.0 points worse than the baseline's, the margin is 2"),
        (
            "floor", (BROKEN, HELD),
            "hallucination_rate of tag=a|b is 50.0, above its ceiling of 5; the baseline has 25.0",
        ),
        ("inconclusive", (HELD, DOUBT, DOUBT), "these turns cannot tell: name_f1, name_f1"),
        ("inconclusive", (ABSENT,), "there is nothing to check"),
        ("pass", (HELD,), "every check passes"),
        ("pass", (HELD, ABSENT), "every check passes; not applicable to these turns: schema_valid"),
        ("regression", (LOST, LOST, BROKEN), "the margin is 2, and 1 more"),
    ],
)  # fmt: skip
def test_the_headline_tells_what_decided(verdict: str, checks: tuple[Check, ...], line: str):
    assert headline(result(*checks, verdict=verdict)).endswith(line)


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ({"turns_needed": None, "margin_needed": None}, "; 138 sessions would do"),
        ({"margin_needed": None}, "; about 1,380 such turns in 138 sessions would settle it"),
        ({"turns_needed": None, "sessions_needed": None}, "; these turns pass a margin of 7.1"),
        ({"turns_needed": None, "sessions_needed": None, "margin_needed": None}, ""),
    ],
)
def test_a_doubt_comes_with_each_way_to_settle_it(needed: dict[str, None], words: str):
    assert explain(DOUBT.model_copy(update=needed)) == f"too few turns to tell{words}"


def test_many_sessions_and_turns_have_separators():
    many = DOUBT.model_copy(update={"turns": 30_000, "discordant": 1_000, "sessions": 2_000})
    assert show_evidence(many) == "1,000 of 30,000 differ, 2,000 sessions"


def test_junit_has_a_case_for_comparability_each_check_and_each_slice():
    suite = ElementTree.fromstring(junit(WHOLE))
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["9", "3", "0", "1"]
    cases = {str(case.get("name")): case for case in suite}
    assert cases["tag=b"].findtext("system-out") == "turn_exact 75.0 -> 25.0, n=30"
    out = "baseline 90.0, candidate 75.0, 12 of 80 differ, 40 sessions -15.0 [-25.0, -5.0]"
    assert cases["turn_exact"].findtext("system-out") == out
    doubt = cases["name_f1"].find("failure")
    assert doubt is not None
    assert (doubt.get("type"), doubt.get("message")) == ("inconclusive", explain(DOUBT))
    skipped = cases["schema_valid"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "no turn has it"
    invalid = ElementTree.fromstring(junit(result(verdict="invalid", problems=("other turns", "other prompt"))))
    error = invalid.find("testcase/error")
    assert error is not None
    assert error.get("message") == "other turns; other prompt"


def test_the_table_shows_each_limit_in_the_direction_in_which_it_binds(capsys: pytest.CaptureFixture[str]):
    print_gate(WHOLE)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "REGRESSION: turn_exact is 15.0 points worse than the baseline's, the margin is 2"
    assert lines[1] == "tuned (runs/two) against base (runs/one)"
    assert "warning: the servers differ: 1 against 2" in lines
    rows = [line for line in lines if "(margin)" in line or "(floor)" in line]
    assert rows == [
        "turn_exact (margin) fail 90.0 75.0 -15.0 [-25.0, -5.0] -2 12 of 80 differ, 40 sessions worse",
        "hallucination_rate of tag=a|b (floor) fail 25.0 50.0 5 n 1,200 the floor is broken",
        "name_f1 (margin) inconclusive 50.0 50.0 +0.0 [-7.1, +7.1] -2 0 of 3 differ, 1 session",
        "parse_rate (floor) pass – 100.0 98 n 40 holds",
        "schema_valid (floor) not applicable – – 90 n 0 no turn has it",
    ]
    assert lines[-4:] == [
        "right to wrong: 1 turns", "s1/1: ok -> wrong_args (expected 1)",
        "wrong to right: 1 turns", "s2/1: missed_call -> ok",
    ]  # fmt: skip


def test_on_a_terminal_only_the_verdict_and_the_table_are_coloured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    other = {"run": "runs/2", "run_id": "2", "model": "tuned"}
    print_gate(result(LOST, broken=(FLIP,), candidate=other, warnings=("the servers differ: 1 against 2",)))
    verdict, sides, warning, *_, flip = capsys.readouterr().out.splitlines()
    assert verdict.startswith("\x1b[1;31mREGRESSION\x1b[0m: turn_exact is 15.0 points")
    assert warning == "  warning: the servers differ: 1 against 2"
    assert (sides, flip) == ("  tuned (runs/2) against base (runs/one)", "  s1/1: ok -> wrong_args (expected 1)")


def test_twenty_flips_are_shown_and_the_rest_counted(capsys: pytest.CaptureFixture[str]):
    from rich.console import Console

    print_flips(Console(width=100), (FLIP,) * 21, (BACK,) * 20, "gate.json")
    lines = capsys.readouterr().out.splitlines()
    assert (lines.count("  s1/1: ok -> wrong_args (expected 1)"), lines.count("  s2/1: missed_call -> ok")) == (20, 20)
    assert [line for line in lines if "more" in line] == ["  and 1 more, in gate.json"]
