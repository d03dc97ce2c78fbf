"""Sessions of which a chat template makes one row for each answer, since it rewrites history, and what that costs."""

from collections.abc import Sequence
from copy import deepcopy

from callproof.config import ModelConfig
from callproof.records import Record, read_text
from callproof.turns import Conversation

from ..rows.encode import Encoder, Row
from ..rows.template import Unrenderable


class ManyRows(Record):
    """Sessions with more than one row: how many, their rows and tokens, and those with the template `hermes`.

    `with_hermes` are the tokens of the same sessions as one row each; None where it does not write them all so.
    """

    sessions: int
    rows: int
    tokens: int
    with_hermes: int | None

    def sentence(self) -> str:
        """What it costs, and the way out where there is one."""
        said = f"a row for each answer: {self.rows:,} rows of {self.tokens:,} tokens (sessions: {self.sessions:,})"
        if self.with_hermes is None:
            return said
        return f"{said}; with model.chat_template: hermes a row for each session, {self.with_hermes:,} tokens"


class RowCount:
    """Counts the sessions that get more than one row from `encoder`."""

    def __init__(self, encoder: Encoder) -> None:
        tokenizer = deepcopy(encoder.tokenizer)
        bundled = ModelConfig(chat_template="hermes").template_file
        tokenizer.chat_template = read_text(bundled) if bundled else None
        self._hermes = Encoder(tokenizer)
        self._sessions = self._rows = self._tokens = 0
        self._with_hermes: int | None = 0

    def add(self, conversation: Conversation, rows: Sequence[Row]) -> None:
        if len(rows) < 2:
            return
        self._sessions += 1
        self._rows += len(rows)
        self._tokens += sum(len(row.input_ids) for row in rows)
        if self._with_hermes is not None:
            one_row = self._one_row(conversation)
            self._with_hermes = self._with_hermes + one_row if one_row is not None else None

    def _one_row(self, conversation: Conversation) -> int | None:
        """Tokens of the one row of a conversation; None where it is no such."""
        try:
            rows = self._hermes.rows(conversation)
        except Unrenderable:
            return None
        return len(rows[0].input_ids) if len(rows) == 1 else None

    def result(self) -> ManyRows | None:
        """What was counted; None where each session is one row."""
        if not self._sessions:
            return None
        return ManyRows(sessions=self._sessions, rows=self._rows, tokens=self._tokens, with_hermes=self._with_hermes)
