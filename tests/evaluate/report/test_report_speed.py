"""A report of ten thousand turns in a real browser.

Time is what the page's main thread took of a processor: on an idle machine what a reader waits, on a busy one the same.
"""

import asyncio
from pathlib import Path

from browser import Page, browser
from report_runs import gold, make_run
from test_report import needs_browser
from weather import call

from callproof.turns import Turn

OPEN_S, FILTER_S = 1.0, 0.2
STEPS = (
    ("set('outcome', 'schema_invalid', 'change')", "5,000 of 10,000"),
    ("set('outcome', '', 'change')", "10,000 of 10,000"),
    ("set('tag', 'odd', 'change')", "5,000 of 10,000"),
    ("set('text', 'City4999', 'input')", "2 of 10,000"),
    ("document.querySelector('.kinds button').click()", "5,000 of 10,000"),
    ("[...document.querySelectorAll('.decisions button')].at(-1).click()", "5,000 of 10,000"),
    ("document.querySelector('.flips button').click()", "5,000 of 10,000"),
)
ACT = """(async () => {
  const fields = [...document.querySelectorAll('#turns ~ .controls .field')];
  const set = (label, value, kind) => {
    const box = fields.find((each) => each.firstChild.textContent === label).querySelector('select, input');
    box.value = value;
    box.dispatchEvent(new Event(kind));
  };
  const count = document.querySelector('#turns .hint');
  count.textContent = '';
  %s;
  while (!count.textContent) await new Promise((done) => setTimeout(done, 20));
  return count.textContent;
})()"""


def clumsy(turn: Turn) -> str:
    """A wrong city and an extra argument where a call is due."""
    return call("get_weather", city=f"Nowhere{len(turn.turn_id) % 7}", hour=9) if turn.gold else gold(turn)


async def busy(page: Page) -> float:
    """Seconds of a processor that the main thread has taken since the page began to load."""
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")


@needs_browser
def test_ten_thousand_turns_open_at_once_and_filter_without_lag(tmp_path: Path):
    run = make_run(tmp_path / "large", 5000, {"good": gold, "tiny": clumsy})

    async def go() -> None:
        async with browser(tmp_path / "profile") as page:
            await page.call("Performance.enable", timeDomain="threadTicks")
            await page.open(run.report_path)
            opened = await busy(page)
            assert 0 < opened < OPEN_S
            assert await page.run("document.querySelectorAll('.row').length") < 60
            for action, wanted in STEPS:
                began = await busy(page)
                assert await page.run(ACT % action) == wanted, action
                assert await busy(page) - began < FILTER_S, action

    asyncio.run(go())
