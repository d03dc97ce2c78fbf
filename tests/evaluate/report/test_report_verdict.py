"""The first screen in words, tables on a phone, folded thinking, and the course of the training."""

import asyncio
import json
from pathlib import Path

import pytest
from browser import Page
from report_runs import clumsy, gold, make_run, shy
from test_report import needs_browser, visit
from test_report_sections import texts

from callproof.config import RunConfig
from callproof.scoring import Answer, judge
from callproof.turns import catalog_of
from evaluate.report import publish
from evaluate.report.course import course_of
from evaluate.runs import OutcomeLog, outcome_line


@needs_browser
def test_the_first_screen_says_whether_it_is_better_by_how_much_how_sure_and_what_broke(tmp_path: Path):
    run = make_run(tmp_path / "one", 12, {"clumsy": clumsy, "shy": shy})

    async def look(page: Page) -> None:
        told, restraint = await texts(page, ".verdict p")
        # of 24 turns clumsy has 8 right and shy 16; shy loses the calls of the sessions 6 and 9
        assert told.startswith("shy is better than clumsy by 33.3 points: 66.7 % of 24 turns are exactly right. ")
        assert "That may be chance: the true difference lies between −" in told
        assert "2 turns broke, 10 turns mended." in told
        assert "Wrong where this is expected: get_weather 8" in told
        # of the 12 turns that thank, clumsy answers 4 with half a call and 4 with a call
        assert restraint.startswith("shy: restraint: calls in 0.0 % ["), restraint
        assert "of 12 turns that expect no call, clumsy in 66.7 % [" in restraint
        assert "-66.7 points [" in restraint
        assert restraint.endswith("8 of 12 turns in 12 sessions differ.")
        await page.run("[...document.querySelectorAll('.verdict button')].at(-1).click()")
        assert await page.run("document.querySelector('#turns .hint').textContent") == "8 of 24"

    visit(run, look, tmp_path / "profile")


@needs_browser
def test_a_model_alone_is_told_without_a_comparison(tmp_path: Path):
    async def look(page: Page) -> None:
        told, restraint = await texts(page, ".verdict p")
        assert told.startswith("good answers 100.0 % of 8 turns exactly right (")
        assert "There is nothing to compare it with: bless a run, or give --baseline. No turn is wrong." in told
        assert restraint.startswith("good: restraint: calls in 0.0 % ["), restraint

    visit(make_run(tmp_path / "one", 4, {"good": gold}), look, tmp_path / "profile")


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_no_table_scrolls_sideways_on_a_phone(tmp_path: Path, dark: bool):
    run = make_run(tmp_path / "one", 12, {"clumsy": clumsy, "a-model-with-a-long-name": shy, "good": gold})

    async def look(page: Page) -> None:
        boxes = "[...document.querySelectorAll('.panel, .card, .scroll, table')]"
        wide = f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth + 1)"
        assert await page.run(f"{wide}.map((box) => box.className)") == []
        assert await page.run("document.documentElement.scrollWidth") == 390

    visit(run, look, tmp_path / "profile", width=390, height=844, dark=dark)


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_paper_shows_the_figures_without_what_can_only_be_clicked(tmp_path: Path, dark: bool):
    run = make_run(tmp_path / "one", 12, {"clumsy": clumsy, "shy": shy})

    async def look(page: Page) -> None:
        shown = "[...document.querySelectorAll('.controls, .explorer, #turns')].filter((box) => box.offsetParent)"
        assert await page.run(f"{shown}.length") > 0
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await page.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
        assert await page.run(f"{shown}.length") == 0
        assert len(await texts(page, ".verdict p")) == 2
        colours = "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
        ink, paper = await page.run(colours)
        assert paper == "rgb(255, 255, 255)"
        assert sum(int(part) for part in ink.strip("rgb()").split(",")) < 3 * 80, ink

    visit(run, look, tmp_path / "profile", dark=dark)


@needs_browser
def test_thinking_inside_an_answer_is_folded(tmp_path: Path):
    run = make_run(tmp_path / "one", 1, {"good": gold})
    run.outcomes_path.unlink()
    with OutcomeLog(run.outcomes_path) as log:
        for turn in run.turns():
            log.append(outcome_line(judge(turn, Answer(text="<think>Hm, hm.</think>No."), "good", catalog_of(turn))))
    publish(run)

    async def look(page: Page) -> None:
        assert await page.run("document.querySelector('.answer .code').textContent") == "No."
        folded = "[...document.querySelectorAll('.answer details')].find((e) => e.textContent.startsWith('thinking'))"
        assert not await page.run(f"{folded}.open")
        await page.run(f"{folded}.open = true")
        await asyncio.sleep(0.1)
        assert await page.run(f"{folded}.textContent") == "thinkingHm, hm."

    visit(run, look, tmp_path / "profile")


@needs_browser
def test_the_course_of_the_training_is_drawn_where_the_manifest_has_evaluations(tmp_path: Path):
    settings = {"name": "weather", "data": {"domain": "d"}, "train": {"output_dir": str(tmp_path / "out")}}
    config = RunConfig.model_validate(settings).model_dump(mode="json")
    evaluations = [{"step": 50, "eval_turn_exact": 0.25, "eval_loss": 1.0}, {"step": 100, "eval_turn_exact": 0.75}]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({"evaluations": evaluations}))
    run = make_run(tmp_path / "one", 2, {"good": gold}, config=config)

    async def look(page: Page) -> None:
        assert await page.run("document.querySelector('.training polyline').getAttribute('points')") == "50,75 100,25"
        (note,) = [text for text in await texts(page, ".note") if "training steps" in text]
        assert "25.0 % at step 50, 75.0 % at step 100" in note

    visit(run, look, tmp_path / "profile")
    (tmp_path / "out" / "manifest.json").write_text("{")
    assert course_of(run.info()) is None
