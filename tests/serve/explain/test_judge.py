"""Which pattern of cells means which fault, and that the layer below names it first."""

import pytest

from callproof.turns import Fit, Greedy
from serve.explain.cells import ARMS, WAYS, Arm, Cell, Place, Way, cell, leaving, parting
from serve.explain.judge import Evidence, judge

LOWEST: tuple[tuple[Arm, Way], ...] = (("adapter", "prompt"), ("merged", "raw"))
AT = Place(turn_id="t/1", unit="token", at=3)
SOUND = (Fit(factor=0.0, deviation=0.9), Fit(factor=1.0, deviation=0.0001), Fit(factor=2.0, deviation=0.7))


def table(*differing: tuple[Arm, Way], against: str = "the other side") -> dict[tuple[Arm, Way], Cell]:
    """A table in which only these cells differ."""
    places = [*LOWEST, *((arm, way) for arm in ARMS[:3] for way in WAYS[1:])]
    return {place: cell(place[0], place[1], against, [None, AT if place in differing else None]) for place in places}


def test_a_server_on_which_all_arms_agree_has_no_fault() -> None:
    verdict = judge(Evidence(table(), SOUND))
    assert (verdict.fault, verdict.arm, verdict.way) == ("none", None, None)


@pytest.mark.parametrize(
    ("differing", "fault"),
    [
        (("adapter", "prompt"), "template_mismatch"),
        (("base", "raw"), "other_base"),
        (("identity", "raw"), "lora_fault"),
        (("base", "beside"), "cpu_batch_fault"),
        (("adapter", "served"), "parser_fault"),
        (("base", "streamed"), "streaming_fault"),
    ],
)
def test_the_layer_that_differs_alone_is_named(differing: tuple[Arm, Way], fault: str) -> None:
    verdict = judge(Evidence(table(differing), SOUND))
    assert (verdict.fault, verdict.arm, verdict.way) == (fault, *differing)


def test_a_lower_layer_explains_those_above_it() -> None:
    every: tuple[tuple[Arm, Way], ...] = (
        ("adapter", "prompt"),
        ("base", "raw"),
        ("identity", "raw"),
        ("base", "beside"),
        ("base", "served"),
        ("base", "streamed"),
    )
    faults = ["template_mismatch", "other_base", "lora_fault", "cpu_batch_fault", "parser_fault", "streaming_fault"]
    assert [judge(Evidence(table(*every[start:]), SOUND)).fault for start in range(6)] == faults


@pytest.mark.parametrize(
    ("fits", "fault", "words"),
    [
        ({0: 0.0004, 1: 0.8, 2: 1.9}, "dropped_tensors", "all of the adapter is left out"),
        ({0: 0.9, 1: 0.4, 2: 0.001}, "wrong_scale", "2 times the trained strength"),
        ({0: 0.9, 0.53125: 0.019, 1: 0.4}, "wrong_scale", "0.531 times"),
        ({0: 0.9, 0.5: 0.3, 1: 0.4}, "dropped_tensors", "no strength of the whole adapter"),
    ],
)
def test_the_strength_that_explains_an_adapter_tells_dropped_tensors_from_a_wrong_scale(
    fits: dict[float, float], fault: str, words: str
) -> None:
    every = [Fit(factor=factor, deviation=deviation) for factor, deviation in fits.items()]
    verdict = judge(Evidence(table(("adapter", "raw")), every))
    assert (verdict.fault, verdict.arm, verdict.way) == (fault, "adapter", "raw")
    assert words in verdict.sentence


def test_a_wrong_scale_is_named_where_no_token_differs() -> None:
    fits = [Fit(factor=1, deviation=0.2), Fit(factor=1.5, deviation=0.001)]
    assert judge(Evidence(table(), fits)).fault == "wrong_scale"


@pytest.mark.parametrize(("differing", "fault"), [((), "dropped_tensors"), ((("adapter", "raw"),), "broken_adapter")])
def test_an_adapter_that_cannot_be_loaded_is_compared_with_the_base(
    differing: tuple[tuple[Arm, Way], ...], fault: str
) -> None:
    verdict = judge(Evidence(table(*differing, against="base"), refusal="'x.lora_A.weight' has no place in the base"))
    assert verdict.fault == fault
    assert "'x.lora_A.weight'" in verdict.sentence


def test_sequences_part_at_the_first_difference_or_where_one_ends() -> None:
    assert parting("t", "token", (1, 2), (1, 2)) is None
    assert parting("t", "token", (1, 2, 3), (1, 5, 3)) == Place(turn_id="t", unit="token", at=1)
    assert parting("t", "character", "ab", "abc") == Place(turn_id="t", unit="character", at=2)


def test_a_near_tie_is_no_difference_and_ends_the_comparison() -> None:
    reference = Greedy(tokens=(7, 8, 9), logprobs=(0, 0, 0), leads=(2.0, 0.004, 2.0))
    assert leaving("t", (7, 1, 1), reference) is None
    assert leaving("t", (1, 8, 9), reference) == Place(turn_id="t", unit="token", at=0)
    assert leaving("t", (7, 8, 1), reference) == Place(turn_id="t", unit="token", at=2)
