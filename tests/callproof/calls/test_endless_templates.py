"""Templates are foreign code: one that loops or grows ends in a refusal, in bounded time and memory."""

import signal
import time
from pathlib import Path

import pytest
from programs import run_program

from callproof.calls.formats import TemplateRefusal, format_of_template, render_chat
from callproof.deadline import RENDER_S, deadline

LOOP = "".join(f"{{% for {name} in range(99999) %}}" for name in "ijk") + "{% endfor %}" * 3


@pytest.mark.parametrize("product", ["'x' * 10**10", "10 ** 10 ** 10", "[0] * 900000000", "2 ** 1000"])
def test_products_without_measure_are_refused(product: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TemplateRefusal, match=r"numbers or texts this large"):
        render_chat(f"{{{{ {product} }}}}", [])
    assert time.monotonic() - begun < 1


def test_what_templates_do_with_products_still_works() -> None:
    assert render_chat("{{ '=' * 40 }}{{ 3 * 4 }}{{ 2 ** 5 }}{{ 2.5 * 2 }}", []) == "=" * 40 + "12325.0"


def test_an_endless_template_is_refused_once_and_for_all_its_shapes() -> None:
    begun = time.monotonic()
    with pytest.raises(TemplateRefusal, match="takes longer than"):
        format_of_template(LOOP)
    assert RENDER_S * 0.9 < time.monotonic() - begun < RENDER_S * 4


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    template = tmp_path / "loop.jinja"
    template.write_text(LOOP, encoding="utf-8")
    done = run_program("train", "format", "--template", str(template))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "takes longer than" in done.stderr


def test_a_deadline_gives_the_timer_of_before_back() -> None:
    rang: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    before = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(TimeoutError), deadline(0.05):
            time.sleep(1)
        time.sleep(0.5)
        assert rang == [1]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before)
