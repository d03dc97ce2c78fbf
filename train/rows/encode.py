"""Conversations to token rows, through the template that the server uses.

For each assistant turn i, P_i renders the messages before it with the generation prompt, and Q_i the messages with it.
Q_i begins with P_i, and what it adds is what the model must say. Where every Q_i is a prefix of the whole, one
row carries all turns; where the template rewrites history (empty think blocks, for instance), each turn gets its own
row. A row is tokenised once; the tokens inside the spans, the end-of-turn token included, carry labels, others -100.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from callproof.errors import UserError
from callproof.turns import Conversation, template_messages

IGNORED = -100
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: two lists of one length; a label is its token, or -100 where the loss does not look.

    `text` is what was tokenised.
    """

    input_ids: list[int]
    labels: list[int]
    text: str

    @property
    def supervised(self) -> int:
        return sum(label != IGNORED for label in self.labels)


class Encoder:
    """Turns conversations into rows.

    Args:
        tokenizer: a fast Hugging Face tokenizer with the chat template that will be served.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.is_fast:
            raise UserError(tokenizer.name_or_path, "has no fast tokenizer", "choose a base model with tokenizer.json")
        if not tokenizer.chat_template:
            raise UserError(tokenizer.name_or_path, "has no chat template", "set model.chat_template to a .jinja file")
        self.tokenizer = tokenizer
        self.end_of_turn: int = tokenizer.eos_token_id

    def rows(self, conversation: Conversation) -> list[Row]:
        """One row, or one row for each assistant turn.

        Raises:
            UserError: the template cannot be supervised: a turn is not what follows its own prompt, or has no end.
        """
        messages = template_messages(conversation.messages)
        turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
        texts = [self._spoken(messages, index, conversation.tools) for index in turns]
        whole = self.render(messages, conversation.tools)
        if all(whole.startswith(text) for text, _ in texts):
            return [self._row(whole, [span for _, span in texts])]
        return [self._row(text, [span]) for text, span in texts]

    def render(self, messages: list[dict[str, Any]], tools: Iterable[dict[str, Any]] | None, ask: bool = False) -> str:
        """The text of a conversation; with `ask`, up to where the assistant begins to speak."""
        from jinja2 import TemplateError

        offered = list(tools) if tools else None
        try:
            return self.tokenizer.apply_chat_template(
                messages, tools=offered, tokenize=False, add_generation_prompt=ask
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in messages[:8])
            where = f"chat template of {self.tokenizer.name_or_path}"
            raise UserError(
                where, f"refuses a conversation of {roles} ({error})"[:300], "use another template"
            ) from None

    def _spoken(self, messages: list[dict[str, Any]], index: int, tools: Any) -> tuple[str, Span]:
        prompt = self.render(messages[:index], tools, ask=True)
        answered = self.render(messages[: index + 1], tools)
        if not answered.startswith(prompt):
            where = f"chat template of {self.tokenizer.name_or_path}"
            raise UserError(where, f"assistant message {index} does not follow its own prompt", "use another template")
        return answered, (len(prompt), len(answered))

    def _row(self, text: str, spans: list[Span]) -> Row:
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        labels = [IGNORED] * len(ids)
        for start, end in spans:
            inside = [at for at, (left, right) in enumerate(offsets) if left >= start and right <= end and left < right]
            ends = [at for at in inside if ids[at] == self.end_of_turn]
            if not ends:
                where = f"chat template of {self.tokenizer.name_or_path}"
                raise UserError(where, "an assistant turn has no end-of-turn token", "check eos_token of the tokenizer")
            for at in inside:
                if at <= ends[0]:
                    labels[at] = ids[at]
        return Row(ids, labels, text)
