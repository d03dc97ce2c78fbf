import random
import re

from hypothesis import given
from hypothesis import strategies as st

from train.synth.dialogue import Dialogue, held_out, price_text, read_banks, tidy, with_typo

BANKS = read_banks("""
[hello]
Hello.

[plain]
Please reserve {car} until tomorrow.
~Would you kindly hold {car}?
""")


@given(st.integers(100, 10_000_000), st.integers(0, 10_000))
def test_a_price_in_words_keeps_its_digits(amount: int, seed: int) -> None:
    assert re.sub(r"\D", "", price_text(random.Random(seed), amount)) == str(amount)


@given(st.integers(0, 10_000))
def test_a_typo_changes_one_word_of_the_phrase_and_never_a_slot(seed: int) -> None:
    template = "Please reserve {vehicle} until {something_long} tomorrow."
    typed = with_typo(random.Random(seed), template)
    changed = [(a, b) for a, b in zip(template.split(), typed.split(), strict=True) if a != b]
    assert len(changed) == 1
    assert not changed[0][0].startswith("{")


def test_a_phrase_without_long_words_gets_no_typo() -> None:
    assert with_typo(random.Random(1), "On {day} at {time}.") == "On {day} at {time}."


def test_training_dialogues_never_use_an_eval_only_phrase() -> None:
    for seed in range(50):
        dialogue = Dialogue("one", "train", BANKS, 1, str(seed))
        dialogue.user("plain", car="it")
        assert not dialogue.generated().phrases[0].eval_only


def test_eval_dialogues_use_both_kinds_of_phrases() -> None:
    kinds = set()
    for seed in range(50):
        dialogue = Dialogue("one", "eval", BANKS, 1, str(seed))
        dialogue.user("plain", car="it")
        kinds.add(dialogue.generated().phrases[0].eval_only)
    assert kinds == {True, False}


def test_values_of_the_two_splits_are_apart() -> None:
    drawn = {
        split: {Dialogue("s", split, {}, 1, str(i)).number(1, 99, 1) for i in range(300)} for split in ("train", "eval")
    }
    assert not drawn["train"] & drawn["eval"]
    assert all(held_out(value) for value in drawn["eval"])


def test_empty_slots_leave_no_blank_before_punctuation() -> None:
    assert tidy("My Golf , built in 2016, ?  It costs 2'000.-.") == "My Golf, built in 2016? It costs 2'000.-"


def test_arguments_that_are_none_are_left_out_also_inside_objects() -> None:
    dialogue = Dialogue("s", "train", BANKS, 1, "1")
    dialogue.user("plain", car="it")
    dialogue.calls(("tool", {"a": None, "b": {"c": 1, "d": None}}, {}))
    call = dialogue.generated().session["messages"][1]["tool_calls"][0]
    assert call == {"name": "tool", "arguments": {"b": {"c": 1}}}
