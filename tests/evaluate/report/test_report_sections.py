"""The sections of a report that lead into its turns: warnings, flips, calls and abstentions, arguments."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import Page
from report_runs import clumsy, gold, make_run, shy
from test_report import needs_browser, visit
from weather import call

from callproof.errors import UserError
from callproof.turns import Turn
from evaluate.cli import main
from evaluate.gate.bless import bless
from evaluate.gate.sides import flips, read_side
from evaluate.report import publish
from evaluate.runs import Run

EVIL = "\u202e</script><img src=x onerror=\"document.title='owned'\">[x](javascript:alert(1))\u0007"


def hostile_arguments(_: Turn) -> str:
    return call("get_weather", **{"city": EVIL + "x" * 1_000_000, EVIL: EVIL, "y" * 1_000_000: 1})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "one", 12, {"clumsy": clumsy, "shy": shy})


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    answers: dict[str, Callable[[Turn], str]] = {EVIL: hostile_arguments, "good": gold}
    return make_run(tmp_path_factory.mktemp("runs") / "hostile", 4, answers, warnings=(EVIL,), server_version=EVIL)


async def texts(page: Page, selector: str) -> list[str]:
    return await page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)")


async def press(page: Page, selector: str, text: str) -> None:
    """Click the first element of a selector whose text holds `text`."""
    found = f"[...document.querySelectorAll({json.dumps(selector)})]"
    await page.run(f"{found}.find((each) => each.textContent.includes({json.dumps(text)})).click()")


async def choose(page: Page, label: str, value: str) -> None:
    """Choose an option of the first select with this label."""
    await page.run(
        "(() => { const labelled = [...document.querySelectorAll('.field')].find((each) => each.firstChild.textContent"
        f" === {json.dumps(label)}); const box = labelled.querySelector('select'); box.value = {json.dumps(value)};"
        " box.dispatchEvent(new Event('change')); })()"
    )


async def listed(page: Page) -> list[str]:
    return await texts(page, ".row-id")


@needs_browser
def test_flips_are_those_of_the_gate_and_lead_to_their_turns(run: Run, tmp_path: Path):
    sides = [read_side(run, run.info(), model, "raw") for model in ("clumsy", "shy")]
    broken, mended = ([flip.turn_id for flip in each] for each in flips(*sides))
    both = [[side.judged[turn].outcome == "ok" for side in sides] for turn in sides[0].judged]

    async def look(page: Page) -> None:
        counts = [int(text) for text in (await texts(page, ".flips td"))[:4]]
        assert counts == [len(broken), len(mended), both.count([True, True]), both.count([False, False])]
        for place, wanted in enumerate((broken, mended)):
            await page.run(f"document.querySelectorAll('.flips td button')[{place}].click()")
            assert sorted(await listed(page)) == sorted(wanted)
            await page.run(f"document.querySelectorAll('.flip-lists details')[{place}].open = true")
            await asyncio.sleep(0.1)
            assert sorted(await texts(page, f".flip-lists > :nth-child({place + 1}) li a")) == sorted(wanted)
        await page.run("document.querySelector('.flip-list a').click()")
        assert await page.run("document.querySelector('.turn-head a').textContent") == broken[0]

    assert broken
    assert mended
    visit(run, look, tmp_path / "profile")


def report_data(run: Run) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', run.report_path.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


@needs_browser
def test_a_run_is_held_against_the_baseline_that_is_blessed_under_its_name(tmp_path: Path):
    old = make_run(tmp_path / "old", 6, {"shy": shy})
    assert report_data(old)["blessed"] is None
    bless(old, tmp_path, None, None)
    new = make_run(tmp_path / "new", 6, {"clumsy": clumsy, "good": gold})
    sides = [read_side(each, each.info(), model, "raw") for each, model in ((old, "shy"), (new, "clumsy"))]
    broken, mended = flips(*sides)

    async def look(page: Page) -> None:
        await choose(page, "against", "1")
        assert (await texts(page, ".flips tbody th"))[0] == "clumsy"
        assert (await texts(page, ".flips td"))[:2] == [str(len(broken)), str(len(mended))]
        assert "shy of old, blessed as weather" in (await texts(page, "h2"))[1]

    visit(new, look, tmp_path / "profile")
    difference = report_data(new)["blessed"]["differences"]["good"]
    assert (difference["value"], difference["n"]) == (pytest.approx(1 / 6), 12)


@needs_browser
def test_a_baseline_of_other_turns_is_not_compared_and_the_page_says_so(tmp_path: Path):
    bless(make_run(tmp_path / "old", 3, {"shy": shy}), tmp_path, None, None)
    new = make_run(tmp_path / "new", 2, {"clumsy": clumsy})

    async def look(page: Page) -> None:
        (warning,) = await texts(page, ".warnings li")
        assert warning.startswith("The blessed baseline weather is not compared: the runs differ in turns: ")
        assert await texts(page, ".flips") == []

    visit(new, look, tmp_path / "profile")


@needs_browser
def test_a_report_is_held_against_the_baseline_that_is_chosen(tmp_path: Path):
    shy_run = make_run(tmp_path / "shy-run", 6, {"shy": shy})
    bless(shy_run, tmp_path, "demo", None)
    bless(make_run(tmp_path / "good-run", 6, {"good": gold}), tmp_path, None, None)
    new = make_run(tmp_path / "new", 6, {"clumsy": clumsy})
    assert report_data(new)["blessed"]["name"] == "weather"
    for chosen, name in ((str(shy_run.path), None), ("demo", "demo"), ("shy-run", None)):
        assert main(["report", "new", "--runs", str(tmp_path), "--baseline", chosen]) == 0
        found = report_data(new)["blessed"]
        assert (found["name"], found["run_id"], found["model"]) == (name, "shy-run", "shy")
    with pytest.raises(UserError, match="nowhere: is no run and no baseline"):
        main(["report", "new", "--runs", str(tmp_path), "--baseline", "nowhere"])

    async def look(page: Page) -> None:
        assert "Flips against shy of shy-run" in await texts(page, "h2")

    visit(new, look, tmp_path / "profile")


def test_a_chosen_baseline_of_other_turns_is_told_and_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path / "old", 3, {"shy": shy})
    new = make_run(tmp_path / "new", 2, {"clumsy": clumsy})
    assert main(["report", str(new.path), "--baseline", "old"]) == 0
    assert "warning: old is not compared: the runs differ in turns: " in capsys.readouterr().err
    assert report_data(new)["blessed"]["problem"].startswith("the runs differ in turns: ")


def test_of_a_baseline_with_several_models_one_has_to_be_blessed(tmp_path: Path):
    make_run(tmp_path / "old", 2, {"shy": shy, "good": gold})
    new = make_run(tmp_path / "new", 2, {"clumsy": clumsy})
    with pytest.raises(UserError, match=r"has several models \(shy, good\); choose one with `bless --model`"):
        main(["report", str(new.path), "--baseline", "old"])


@needs_browser
def test_answers_that_took_several_requests_are_told_and_lead_to_their_turns(run: Run, tmp_path: Path):
    retried = with_answers(run, tmp_path / "retried", requests=3)

    async def look(page: Page) -> None:
        told = [f"{model}: 24 answers took more than one request. show" for model in ("clumsy", "shy")]
        assert await texts(page, ".warnings li") == told
        await press(page, ".warnings button", "show")
        assert await texts(page, "#turns .hint") == ["24 of 24"]
        assert (await texts(page, ".answer-head .hint")) == ["3 requests"] * 2

    visit(retried, look, tmp_path / "profile")


@needs_browser
def test_thinking_is_folded_away_and_shown_when_it_is_opened(run: Run, tmp_path: Path):
    thinker = with_answers(run, tmp_path / "thinker", thinking="I weigh it.")

    async def look(page: Page) -> None:
        summaries = "[...document.querySelectorAll('.answer details')].filter((each) => each.querySelector('summary')"
        folded = f"{summaries}.textContent === 'thinking')"
        await page.run("document.querySelectorAll('.row')[0].click()")
        assert await page.run(f"{folded}.map((each) => [each.open, each.textContent])") == [[False, "thinking"]] * 2
        await page.run(f"{folded}[0].querySelector('summary').click()")
        await page.run("new Promise((done) => setTimeout(done, 50))")
        assert await page.run(f"{folded}.map((each) => each.textContent)") == ["thinkingI weigh it.", "thinking"]

    visit(thinker, look, tmp_path / "profile")


@needs_browser
def test_calls_and_abstentions_add_up_to_the_rates_and_lead_to_their_turns(run: Run, tmp_path: Path):
    metrics = json.loads(run.metrics_path.read_text())["models"]

    async def look(page: Page) -> None:
        assert await texts(page, ".decisions thead th.number") == ["called", "malformed", "abstained"] * 2
        table = await page.run(
            "[...document.querySelectorAll('.decisions tbody tr')].map((row) =>"
            " [...row.querySelectorAll('td')].map((cell) => parseInt(cell.firstChild.textContent)))"
        )
        assert table == [[12, 0, 0], [4, 4, 4], [4, 0, 8], [0, 0, 12]]
        for model, (calls, none) in zip(("clumsy", "shy"), (table[:2], table[2:]), strict=True):
            assert metrics[model]["metrics"]["hallucination_rate"]["value"] == pytest.approx(sum(none[:2]) / 12)
            assert metrics[model]["metrics"]["false_abstention"]["value"] == pytest.approx(calls[2] / 12)
        assert (await texts(page, ".rate b"))[:4] == ["66.7", "0.0", "0.0", "66.7"]
        await page.run("document.querySelectorAll('.decisions td button')[2].click()")
        assert await listed(page) == [f"weather-{number:03}/5" for number in (1, 4, 7, 10)]
        assert await texts(page, ".chosen span") == ["clumsy: none expected, malformed"]
        await press(page, ".chosen button", "show all")
        assert await texts(page, "#turns .hint") == ["24 of 24"]
        await choose(page, "turns", "tag=odd")
        assert (await texts(page, ".decisions td"))[0] == "6100"

    visit(run, look, tmp_path / "profile")


@needs_browser
def test_argument_mistakes_lead_to_their_turns(run: Run, tmp_path: Path):
    async def look(page: Page) -> None:
        await choose(page, "model", "0")
        assert await texts(page, ".confusion th .name") == ["city", "hour"]
        assert await texts(page, ".confusion .kinds button") == ["wrong value 8", "extra 4"]
        assert (await texts(page, ".confusion tbody .plot b"))[0] == "66.7"
        await press(page, ".confusion .kinds button", "extra")
        assert await listed(page) == [f"weather-{number:03}/1" for number in (2, 5, 8, 11)]
        await press(page, ".confusion .pair", '"City4"→"Nowhere"× 1')
        assert await listed(page) == ["weather-004/1"]
        assert await texts(page, ".chosen span") == ['clumsy: get_weather.city: "City4" → "Nowhere"']
        await press(page, ".segment.ok", "")
        assert await texts(page, ".chosen span") == []

    visit(run, look, tmp_path / "profile")


def with_answers(run: Run, path: Path, **answer: Any) -> Run:
    """The run with some fields of every answer replaced, published again."""
    path.mkdir()
    for name in ("run.json", "turns.jsonl"):
        (path / name).write_bytes((run.path / name).read_bytes())
    rows = [json.loads(line) for line in run.outcomes_path.read_text().splitlines()]
    changed = [{**row, "answer": {**row["answer"], **answer}} for row in rows]
    (path / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed))
    publish(Run(path))
    return Run(path)


@needs_browser
def test_warnings_of_the_run_and_answers_that_were_cut_stand_in_its_head(run: Run, hostile: Run, tmp_path: Path):
    cut = with_answers(run, tmp_path / "cut", finish_reason="length")

    async def look(page: Page) -> None:
        told = [f"{model}: 24 answers stopped at the token limit. show" for model in ("clumsy", "shy")]
        assert await texts(page, ".warnings li") == told
        await press(page, ".warnings button", "show")
        assert await texts(page, "#turns .hint") == ["24 of 24"]

    async def look_at_warning(page: Page) -> None:
        (warning,) = await texts(page, ".warnings li")
        assert "</script><img src=x" in warning

    visit(cut, look, tmp_path / "profile")
    visit(hostile, look_at_warning, tmp_path / "profile2")


OPEN_ALL = """(async () => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  await new Promise((done) => setTimeout(done, 200));
  document.querySelectorAll(".pair")[0]?.click();
  document.querySelectorAll(".confusion .quiet, .flip-lists .quiet").forEach((each) => each.click());
  document.querySelector(".pair")?.click();
  await new Promise((done) => setTimeout(done, 200));
})()"""


SPOOFED = """[...document.querySelectorAll('main *')].filter((each) =>
  [...each.childNodes].some((node) => node.nodeType === 3 && /[\\u202e\\u0007]/.test(node.data)))
  .map((each) => each.outerHTML.slice(0, 200))"""


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_arguments_warnings_and_names_are_inert_and_fit_the_page(hostile: Run, tmp_path: Path, width: int):
    async def look(page: Page) -> None:
        for model in ("0", "1"):
            await choose(page, "model", model)
            await page.run(OPEN_ALL)
            assert await page.run("document.title") == "weather: hostile"
            assert await page.run("document.querySelectorAll('main img, main script, main b b').length") == 0
            assert await page.run(
                "[...document.querySelectorAll('a')].every((a) => a.getAttribute('href').startsWith('#'))"
            )
            assert await page.run(SPOOFED) == []
            assert await page.run("document.documentElement.scrollWidth") <= width
        await choose(page, "model", "0")
        assert await page.run("document.querySelectorAll('.confusion tbody tr').length") >= 3

    visit(hostile, look, tmp_path / "profile", width=width)


CONTRAST = """(() => {
  const channels = (color) => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
    return color.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const over = (top, under) => top.slice(0, 3).map((each, place) => each * top[3] + under[place] * (1 - top[3]));
  const behind = (element) => {
    const own = channels(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const linear = (share) => share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const contrast = (element) => {
    const back = behind(element);
    const [low, high] = [back, over(channels(getComputedStyle(element).color), back)].map(light).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const told = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const places = "header, .warnings, .flips, .flip-lists, .decisions, .confusion, .slices, .chosen, .note";
  return [...document.querySelectorAll(places)].flatMap((place) => [place, ...place.querySelectorAll("*")])
    .filter((element) => told(element) && element.checkVisibility())
    .map((element) => [contrast(element), element.className, element.textContent.slice(0, 40)])
    .sort((one, other) => one[0] - other[0]);
})()"""


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_text_of_the_sections_is_legible_on_its_background(hostile: Run, tmp_path: Path, dark: bool):
    async def look(page: Page) -> None:
        await page.run(OPEN_ALL)
        found = await page.run(CONTRAST)
        assert len(found) > 60
        assert found[0][0] >= 4.5, found[:5]

    visit(hostile, look, tmp_path / "profile", dark=dark)
