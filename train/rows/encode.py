"""Conversations to token rows, through the template that the server uses.

For each assistant turn i, P_i renders the messages before it with the generation prompt, and Q_i the messages with it.
Q_i begins with P_i, and what it adds is what the model must say. Where every Q_i is a prefix of the whole, one row
carries all turns; where the template rewrites history (empty think blocks, for instance), each turn gets its own row.
A row is tokenised once; the tokens inside the spans, the end-of-turn token included, carry labels, others -100.

Where a token would reach over the border between a prompt and its answer, the server's prompt has another token there:
then, too, each turn gets its own row, in which prompt and answer are tokenised apart.

Every span is decoded and read back (`train.rows.read_back`): a template that loses or changes what was recorded is
refused, whichever it is.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from callproof.calls.formats import Thinking
from callproof.errors import UserError
from callproof.turns import Conversation, Turn, template_messages

from .read_back import ReadBack
from .template import FOLLOWERS, OTHER_WAYS, ChatTemplate, Messages, Unrenderable

IGNORED = -100
CONTEXT = 8
"""Tokens before a span that tell how its first one is written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: two lists of one length; a label is its token, or -100 where the loss does not look.

    `text` is what was tokenised. `loss_scales`: how many times the loss of each label counts; empty: all once. `right`:
    false where the model is to leave what the labels say, as methods that learn from rejected answers have it.
    """

    input_ids: list[int]
    labels: list[int]
    text: str
    loss_scales: list[float] = field(default_factory=list)
    right: bool = True

    @property
    def supervised(self) -> int:
        return sum(label != IGNORED for label in self.labels)


class Spoken(NamedTuple):
    """One assistant turn: what the server feeds before it, what the model must say, and the message in wire form.

    `number`: of the message in its session, from 0.
    """

    prompt: str
    answer: str
    number: int
    message: dict[str, Any]

    @property
    def text(self) -> str:
        return self.prompt + self.answer


class Encoder:
    """Turns conversations into rows.

    Args:
        tokenizer: a fast Hugging Face tokenizer with the chat template that will be served.
        ends: ids of tokens that end a turn, beside those that tokenizer and template tell.
    """

    def __init__(self, tokenizer: Any, ends: Iterable[int] = ()) -> None:
        if not tokenizer.is_fast:
            raise UserError(tokenizer.name_or_path, "has no fast tokenizer", "choose a base model with tokenizer.json")
        if not tokenizer.chat_template:
            problem = "has no chat template"
            raise UserError(tokenizer.name_or_path, problem, "set model.chat_template to hermes or a .jinja file")
        self.tokenizer = tokenizer
        self.template = ChatTemplate(tokenizer, ends)

    @property
    def loses_calls(self) -> bool:
        """Whether the template writes no call that any known format reads."""
        return self.template.format is None

    def format_of(self, catalog: str) -> str | None:
        """The name of the format in which calls are written, as `prompt.catalog` has it; None: no known one."""
        if catalog == "text":
            return "hermes"
        return self.template.format.name if self.template.format else None

    def rows(self, conversation: Conversation) -> list[Row]:
        """One row, or one row for each assistant turn; none where all turns are context only.

        Raises:
            Unrenderable: the template fails, or a turn does not read back as it was recorded.
        """
        messages = template_messages(conversation.messages)
        self._refuse_ends(messages)
        turns = learnt_turns(conversation)
        spoken = [self._spoken(conversation, messages, index) for _, index in turns]
        rows = self._rows(conversation, messages, spoken) if spoken else []
        self._read_back(conversation, spoken, rows)
        return scaled(rows, [conversation.loss_scales.get(number, 1.0) for number, _ in turns])

    def answer_row(self, conversation: Conversation, index: int, answer: dict[str, Any]) -> Row:
        """The row of one answer in the place of the message `index`: its prompt, and a label for each of its tokens.

        Prompt and answer are tokenised apart, so that all answers to a prompt have the tokens before them that a server
        feeds.

        Args:
            answer: a message in wire form, or with `raw`, the model's text as it came.

        Raises:
            Unrenderable: the template fails, or the answer does not read back as what it says.
        """
        messages = template_messages(conversation.messages)
        if (raw := answer.get("raw")) is not None:
            return self._in_two_parts(self._raw(conversation, messages, index, raw))
        before = conversation.messages[:index]
        replaced = conversation.model_copy(update={"messages": (*before, answer)})
        spoken = self._spoken(replaced, template_messages(replaced.messages), index)
        row = self._in_two_parts(spoken)
        self._refuse_ends(template_messages((answer,)))
        self._read_back(replaced, [spoken], [row])
        return row

    def _raw(self, conversation: Conversation, messages: Messages, index: int, text: str) -> Spoken:
        """A text as a turn, ended as the turn that is recorded in its place is."""
        spoken = self._spoken(conversation, messages, index)
        _, said = supervised_spans(self._in_two_parts(spoken))[0]
        if any(end in text for end in self.template.end_texts):
            raise Unrenderable(self.template.name, "a rejected answer holds what ends a turn", "leave it out")
        return spoken._replace(answer=text + self.tokenizer.convert_ids_to_tokens(said[-1]))

    def prompt(self, question: Conversation | Turn) -> str:
        """The text that makes the model speak after the last message.

        Raises:
            Unrenderable: the template fails.
        """
        messages = template_messages(question.messages)
        return self.template.render(messages, question.tools, question.template_kwargs, ask=True)

    def decode(self, before: list[int], tokens: list[int], skip_special_tokens: bool = False) -> str:
        """The text of tokens that follow others, on which it may depend how they are written."""
        options = {"skip_special_tokens": skip_special_tokens, "clean_up_tokenization_spaces": False}
        context = before[-CONTEXT:]
        known, whole = (self.tokenizer.decode(ids, **options) for ids in (context, [*context, *tokens]))
        return whole.removeprefix(known) if whole.startswith(known) else self.tokenizer.decode(tokens, **options)

    def _rows(self, conversation: Conversation, messages: Messages, spoken: list[Spoken]) -> list[Row]:
        whole = self.template.render(_answered(messages), conversation.tools, conversation.template_kwargs)
        if spoken and spoken[-1].text.startswith(whole):
            whole = spoken[-1].text
        if all(whole.startswith(turn.text) for turn in spoken):
            spans = [(len(turn.prompt), len(turn.text)) for turn in spoken]
            if row := self._row(whole, spans):
                return [row]
        return [
            self._row(turn.text, [(len(turn.prompt), len(turn.text))]) or self._in_two_parts(turn) for turn in spoken
        ]

    def _spoken(self, conversation: Conversation, messages: Messages, index: int) -> Spoken:
        tools, variables, template = conversation.tools, conversation.template_kwargs, self.template
        prompt = template.render(messages[:index], tools, variables, ask=True)
        said = _answered(messages[: index + 1])
        answered = template.render(said, tools, variables)
        answer = after_prompt(prompt, answered, template.thoughts)
        if answer is None:
            answer = self._last_answer(conversation, messages[:index], prompt, answered)
        if answer is None:
            problem = f"assistant message {index - _has_system(messages)} does not follow its own prompt"
            raise Unrenderable(template.name, problem, OTHER_WAYS)
        if template.opening.strip():
            answer = answer.removeprefix(template.opening)  # DiffusionGemma begins anew after a tool's result
        if not any(end in answer for end in template.end_texts):
            answer += self._borrowed_end(said, tools, variables, answered)
        return Spoken(prompt, answer, index - _has_system(messages), conversation.messages[index])

    def _last_answer(self, talk: Conversation, before: Messages, prompt: str, answered: str) -> str | None:
        """What stands after the last generation prompt, where the answer has changed how its history is written."""
        history = self.template.render(before, talk.tools, talk.template_kwargs)
        opening = prompt.removeprefix(history)
        at = answered.rfind(opening) if opening.strip() and opening != prompt else -1
        return answered[at + len(opening) :] if at >= 0 else None

    def _borrowed_end(self, messages: Messages, tools: Any, variables: dict[str, Any], answered: str) -> str:
        """The token of the next speaker's role, where it ends a turn."""
        calls = messages[-1].get("tool_calls")
        follower = {**FOLLOWERS["tool"], "tool_call_id": calls[0].get("id")} if calls else FOLLOWERS["assistant"]
        token = self.template.next_token(self.template.render([*messages, follower], tools, variables), answered)
        if not token:
            problem = f"an assistant turn has no end-of-turn token (known ones: {', '.join(self.template.end_texts)})"
            raise Unrenderable(self.template.name, problem, "check eos_token of the tokenizer")
        return token

    def _row(self, text: str, spans: list[tuple[int, int]]) -> Row | None:
        """The row of a text; None where a token reaches over the begin of a span."""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        labels = [IGNORED] * len(ids)
        for start, end in spans:
            if any(left < start < right for left, right in offsets):
                return None
            inside = [at for at, (left, right) in enumerate(offsets) if left >= start and right <= end and left < right]
            self._supervise(ids, labels, inside)
        return Row(ids, labels, text)

    def _in_two_parts(self, turn: Spoken) -> Row:
        prompt, answer = (
            self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (turn.prompt, turn.answer)
        )
        ids = [*prompt, *answer]
        labels = [IGNORED] * len(ids)
        self._supervise(ids, labels, range(len(prompt), len(ids)))
        return Row(ids, labels, turn.text)

    def _supervise(self, ids: list[int], labels: list[int], inside: Iterable[int]) -> None:
        """Label the tokens of a span up to the first that ends the turn, or whose role is that of the next speaker."""
        for at in inside:
            labels[at] = ids[at]
            if ids[at] in self.template.ends:
                return

    def _refuse_ends(self, messages: Messages) -> None:
        """Raise where a message says what ends a turn: the model would learn to stop there."""
        for number, message in enumerate(messages, start=-_has_system(messages)):
            texts = (message.get("content"), message.get("reasoning"), _arguments(message))
            for end in self.template.end_texts:
                if any(text and end in text for text in texts):
                    problem = f"message {number} ({message['role']}) holds {end!r}, which ends a turn"
                    raise Unrenderable(self.template.name, problem, "take it out of the text, or leave the session out")

    def _read_back(self, conversation: Conversation, spoken: list[Spoken], rows: list[Row]) -> None:
        known = ReadBack(conversation, self.template.format.name if self.template.format else None)
        spans = [span for row in rows for span in supervised_spans(row)]
        if len(spans) != len(spoken):
            problem = f"{len(spans)} supervised spans for {len(spoken)} messages of the assistant"
            raise Unrenderable(self.template.name, problem, OTHER_WAYS)
        for turn, (before, span) in zip(spoken, spans, strict=True):
            text = self.decode(before, span[:-1])
            if problem := known.problem(turn.message, text):
                raise Unrenderable(self.template.name, f"message {turn.number}: {problem}", OTHER_WAYS)
            if missing := known.missing_tools(turn.prompt):
                raise Unrenderable(self.template.name, f"does not show the tool {missing[0]!r}", OTHER_WAYS)
            if (hidden := known.hidden_system(turn.prompt, turn.number)) is not None:
                raise Unrenderable(self.template.name, f"does not show message {hidden} (system)", OTHER_WAYS)


def learnt_turns(conversation: Conversation) -> list[tuple[int, int]]:
    """(number among the assistant's messages, index among all) of each message that training learns."""
    answers = [index for index, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    return [(number, index) for number, index in enumerate(answers) if number not in conversation.unlearnt]


def scaled(rows: list[Row], scales: Sequence[float]) -> list[Row]:
    """The rows with the loss of their spans, in order, scaled; as they are where every scale is 1."""
    if all(scale == 1 for scale in scales):
        return rows
    left, made = iter(scales), list[Row]()
    for row in rows:
        weights, scale, previous = list[float](), 1.0, IGNORED
        for label in row.labels:
            scale = next(left) if previous == IGNORED != label else scale
            weights.append(0.0 if label == IGNORED else scale)
            previous = label
        made.append(replace(row, loss_scales=weights))
    return made


def supervised_spans(row: Row) -> list[tuple[list[int], list[int]]]:
    """(tokens before it in the row, tokens of it) for each run of labels that the loss looks at."""
    spans: list[tuple[list[int], list[int]]] = []
    previous = IGNORED
    for at, label in enumerate(row.labels):
        if label != IGNORED:
            if previous == IGNORED:
                spans.append((row.input_ids[:at], []))
            spans[-1][1].append(label)
        previous = label
    return spans


def after_prompt(prompt: str, answered: str, thoughts: Iterable[Thinking]) -> str | None:
    """What the model must say after its prompt, where the whole is to read `answered`; None where that cannot be.

    Generation prompts may end with thinking, opened or empty, which the template writes in other white space, or not at
    all, once the answer is there.
    """
    if answered.startswith(prompt):
        return answered[len(prompt) :]
    answers = (_after_thinking(prompt, answered, thinking) for thinking in thoughts)
    return next((answer for answer in answers if answer is not None), None)


def _after_thinking(prompt: str, answered: str, thinking: Thinking) -> str | None:
    at = prompt.rfind(thinking.open)
    if at < 0 or not answered.startswith(prompt[:at]):
        return None
    prefilled, rest = prompt[at + len(thinking.open) :], answered[at:]
    is_closed = thinking.close in prefilled
    if prefilled.replace(thinking.close, "", 1).strip():
        return None
    if not is_closed:
        return rest.removeprefix(thinking.open) if rest.startswith(thinking.open) else thinking.close + rest
    if not rest.startswith(thinking.open):
        return rest
    thought, _, body = rest.removeprefix(thinking.open).partition(thinking.close)
    return None if thought.strip() else body.lstrip("\n")


def _answered(messages: Messages) -> Messages:
    """The messages, the last of them as a model writes it: the name of a call before its arguments."""
    *history, last = messages
    calls = [
        {**call, "function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}}
        for call in last.get("tool_calls") or ()
    ]
    return [*history, {**last, "tool_calls": calls} if calls else last]


def _has_system(messages: Messages) -> bool:
    return bool(messages) and messages[0]["role"] == "system"


def _arguments(message: dict[str, Any]) -> str:
    return json.dumps([call["function"] for call in message.get("tool_calls") or ()], ensure_ascii=False)
