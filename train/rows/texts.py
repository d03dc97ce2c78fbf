"""Texts of `data.text: as_is`: a column `text` of any template, learned whole; nothing in it is read as a turn."""

from collections.abc import Iterator
from typing import NamedTuple

from callproof.config import RunConfig, Split
from callproof.errors import UserError
from callproof.sessions import IDS
from callproof.turns import held_out

from .encode import Encoder, Row
from .hub_data import read_records


class Text(NamedTuple):
    """A text, its place, and the id of its record."""

    where: str
    name: str
    text: str


def split_texts(config: RunConfig, split: Split) -> Iterator[Text]:
    """The records of a split; the `name` of each is its id, by which `data.eval_share` takes some for evaluation.

    Raises:
        UserError: unreadable source, a record without a text, or a share that leaves nothing.
    """
    data, empty = config.data, True
    for found in (found for source in data.sources(split) for found in read_records(source)):
        where, name, record = found.where, found.name, found.record
        if not isinstance(record.get("text"), str) or not record["text"].strip():
            listed = ", ".join(map(repr, list(record)[:8])) or "none"
            problem = f"expected a text that is not empty under 'text', its keys are {listed}"
            raise UserError(where, problem[:300], "leave data.text out for records of another form")
        own = next((str(record[key]) for key in IDS if record.get(key) is not None), name)
        if not data.shares or held_out(own, data.eval_share) == (split == "eval"):
            empty = False
            yield Text(where, own, record["text"])
    if empty:
        raise UserError(data.source(split), f"leaves no text for {split}", "give more texts, or data.eval")


def text_row(encoder: Encoder, text: str) -> Row:
    """The row of a text, all of it supervised; without an end of turn at its end, the tokenizer's own is added."""
    tokenizer, ends = encoder.tokenizer, encoder.template.end_texts
    whole = text if text.rstrip().endswith(ends) else text + (tokenizer.eos_token or "")
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    return Row(ids, list(ids), whole)
