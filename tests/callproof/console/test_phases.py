"""The named parts of long work, and times in words."""

import pytest

from callproof.console import Phases, duration


def test_each_phase_is_told_when_it_begins_and_all_add_up_to_the_whole() -> None:
    now, lines = [100.0], list[str]()
    phases = Phases("car_sales", lines.append, lambda: now[0])
    phases.begin("encoding rows")
    now[0] += 60
    phases.begin("training")
    now[0] += 200
    with phases.within("evaluating"):
        now[0] += 71
    phases.begin("training")
    now[0] += 3.6
    phases.begin("writing")
    now[0] += 0.4
    assert lines == [
        "car_sales: encoding rows (after 0 s)",
        "car_sales: training (after 60 s)",
        "car_sales: writing (after 335 s)",
    ]
    assert phases.summary() == "car_sales: 335 s: training 204, evaluating 71, encoding rows 60"


def test_a_phase_within_another_is_counted_also_where_it_raises() -> None:
    now = [0.0]
    phases = Phases("x", lambda _: None, lambda: now[0])
    phases.begin("outer")

    def fails() -> None:
        with phases.within("inner"):
            now[0] += 2
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    now[0] += 1
    assert phases.summary() == "x: 3 s: inner 2, outer 1"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_a_duration_is_written_as_one_says_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
