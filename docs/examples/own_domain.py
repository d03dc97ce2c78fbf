"""A domain in code: `data.load_module=docs.examples.own_domain`, with `data.options.speaker` of its own."""

from collections.abc import Iterator
from typing import Any

from callproof.config import RunConfig, Split

FACTS = (
    "The bakery opens at seven.",
    "Dogs travel at half price.",
    "The last bus leaves at 23.40.",
    "The well is deep.",
)


def build_sessions(config: RunConfig, split: Split) -> Iterator[dict[str, Any]]:
    """Sessions of a split, as records in any form that docs/reference/data.md shows."""
    speaker = config.data.options.get("speaker", "guide")
    for number, fact in enumerate(FACTS):
        if (split == "eval") == (number == 0):
            question = {"role": "user", "content": f"What does the {speaker} say about number {number}?"}
            yield {"messages": [question, {"role": "assistant", "content": fact}]}
