"""Answers under load against those with one request in flight: figures worked out by hand from `spread`'s formula."""

import pytest

from bench.figures import QualityLimit
from callproof.errors import UserError
from callproof.scoring import Answer, Outcome, judge
from callproof.turns import Turn, catalog_of

RIGHT, WRONG = "Hello.", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'


def answered(wrong: int, of: int = 40, failed: int = 0, model: str = "m") -> list[Outcome]:
    """Sessions of one turn, of which the first are answered wrongly, and the last not at all."""
    turns = [
        Turn(turn_id=f"s{n}/1", session_id=f"s{n}", position=1, messages=(), tools=None, gold=()) for n in range(of)
    ]
    texts = [WRONG] * wrong + [RIGHT] * (of - wrong - failed)
    answers = [*(Answer(text=text, finish_reason="stop") for text in texts), *[Answer(error="reset")] * failed]
    return [judge(turn, answer, model, catalog_of(turn)) for turn, answer in zip(turns, answers, strict=True)]


def test_where_no_answer_of_40_sessions_changes_the_limit_is_students_t_squared_over_40():
    quality = QualityLimit(0.08, 30).of(answered(0), answered(0))
    # t at 95 % with 39 degrees of freedom is 1.6849: squared and divided by 40 it is 0.0710
    assert quality.lower == pytest.approx(-0.0710, abs=5e-5)
    assert (quality.verdict, quality.gain, quality.turns, quality.sessions) == ("right", 0.0, 40, 40)
    assert quality.words == "right, turn_exact 100.0 %, alone 100.0 %: +0.0 points (-7.1 to +7.1)"


def test_half_of_the_answers_lost_is_worse():
    quality = QualityLimit(0.08, 30).of(answered(20), answered(0))
    # the standard error is the root of 0.25 / 39, 0.0801; the clump of losses 1, of gains 1 - 16 / 24
    assert (quality.turn_exact, quality.alone, quality.gain) == (0.5, 1.0, -0.5)
    assert quality.lower == pytest.approx(-0.6750, abs=1e-4)
    assert quality.upper == pytest.approx(-0.3528, abs=1e-4)
    assert (quality.verdict, quality.sessions_needed) == ("worse", None)


def test_one_answer_lost_of_40_sessions_is_neither_and_74_sessions_would_tell():
    quality = QualityLimit(0.08, 30).of(answered(1), answered(0))
    # the standard error is 1 / 40; 2.7756 (t squared of 73 degrees) * (0.055 + 0.025) / 0.055 squared is 73.4
    assert quality.lower == pytest.approx(-0.1156, abs=1e-4)
    assert (quality.verdict, quality.sessions_needed) == ("not enough turns", 74)
    assert quality.words.endswith("; about 34 more sessions would settle it")


def test_fewer_sessions_than_the_gate_wants_are_never_right():
    quality = QualityLimit(0.5, 41).of(answered(0), answered(0))
    assert (quality.verdict, quality.sessions_needed) == ("not enough turns", 41)


def test_no_answer_under_load_is_a_wrong_one_and_turns_without_one_alone_are_left_out():
    quality = QualityLimit(0.08, 30).of(answered(0, failed=20), answered(0))
    assert (quality.turn_exact, quality.verdict) == (0.5, "worse")
    quality = QualityLimit(0.2, 20).of(answered(0), answered(0, failed=10))
    assert (quality.turn_exact, quality.alone, quality.turns, quality.gain) == (1.0, 1.0, 30, 0.0)


def test_turns_of_two_models_count_apart_and_their_sessions_once():
    alone = [*answered(0), *answered(0, model="n")]
    quality = QualityLimit(0.2, 30).of([*answered(0), *answered(40, model="n")], alone)
    assert (quality.turns, quality.sessions, quality.gain, quality.verdict) == (80, 40, -0.5, "worse")


@pytest.mark.parametrize(("margin", "sessions"), [(0.02, 138), (0.05, 56)])
def test_sessions_that_could_never_show_the_margin_are_refused_before_anything_is_asked(margin: float, sessions: int):
    # t squared over the sessions: 2.7427 / 138 is 0.01987, 2.7990 / 56 is 0.04998
    limit = QualityLimit(margin, 30)
    limit.check(f"s{number}" for number in range(sessions))
    with pytest.raises(UserError, match=rf"{sessions - 1} sessions cannot show that.*about {sessions} can"):
        limit.check(f"s{number}" for number in range(sessions - 1))


def test_what_is_refused_is_what_equal_answers_would_not_show():
    sizes = [1 + number % 5 for number in range(60)]
    turns = [
        Turn(turn_id=f"s{n}/{at}", session_id=f"s{n}", position=at, messages=(), tools=None, gold=())
        for n, size in enumerate(sizes)
        for at in range(size)
    ]
    same = [judge(turn, Answer(text=RIGHT, finish_reason="stop"), "m", catalog_of(turn)) for turn in turns]
    shown = -(QualityLimit(0.5, 30).of(same, same).lower or 0.0)
    ids = [turn.session_id for turn in turns]
    QualityLimit(shown + 1e-6, 30).check(ids)
    with pytest.raises(UserError):
        QualityLimit(shown - 1e-6, 30).check(ids)
