"""A reward for reinforcement learning that is the verdict of `evaluate`: same parser, catalog and matcher.

    from callproof.reward import CallReward

    GRPOTrainer(model, reward_funcs=CallReward("hermes", tokenizer), train_dataset=rows, ...)

Each row has a column `turn`: the JSON of a turn as a run's turns.jsonl holds it (`callproof.turns.Turn`), or as
`callproof.train.rows.prompts.question_rows` makes it of training sessions.

A turn that `evaluate` calls exact gets 1. What a model could learn to exploit gets 0: an attempt where none is right or
none where one is, a malformed, cut, unknown or repeated call, a call too many or too few, arguments that the schema
refuses, a call inside thinking, silence. In between there is one step: the right calls with some of their arguments
wrong get `PARTIAL` times the F1 of the arguments, so that no part of a wrong answer is worth as much as a right one.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from callproof.scoring import Answer, Outcome, in_time, judge
from callproof.turns import Turn, catalog_of

PARTIAL = 0.5
FAULTS = {"infra_error", "truncated", "parse_error", "unknown_tool", "schema_invalid", "empty"}
"""Labels of `callproof.scoring.outcomes` that leave nothing to reward."""


class Reward(NamedTuple):
    """Of one answer, each from 0 to 1.

    Attributes:
        total: what the trainer gets.
        decision: it calls where a call is right, and only there, without a fault.
        name: as many calls as wanted, of the tools that are wanted.
        arguments: F1 of the arguments of calls that are paired with wanted ones; 1 where there are none.
        schema: every call is of a known tool, with arguments that its schema does not refuse.
    """

    total: float
    decision: float
    name: float
    arguments: float
    schema: float


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is needed to see an answer as the server sends it."""

    eos_token_id: Any

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...


class CallReward:
    """A reward function for TRL's `GRPOTrainer`, and anything else that calls it with columns of lists.

    Args:
        format: a name of `callproof.calls.formats.FORMATS`, in which the model writes calls.
        tokenizer: reads `completion_ids`, so that tags which are special tokens are seen, and an answer that ends
            without the end of its turn is known as cut. Without it `completions` are read, which TRL decodes without
            special tokens: right only where the format's tags are none.
        ends: token ids that end a turn; default: the tokenizer's `eos_token_id`.

    Raises:
        KeyError: an unknown format, at the first answer.
    """

    __name__ = "call_reward"

    def __init__(
        self, format: str = "hermes", tokenizer: Tokenizer | None = None, ends: Collection[int] | None = None
    ) -> None:
        self._format, self._tokenizer = format, tokenizer
        self._ends = set(ends if ends is not None else [tokenizer.eos_token_id] if tokenizer else [])

    def __call__(
        self,
        *,
        completions: Sequence[Any],
        turn: Sequence[str],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float]:
        """The totals, one a completion; where TRL gives `log_metric`, it gets the mean of each part."""
        ids = completion_ids if self._tokenizer and completion_ids is not None else [None] * len(completions)
        answers = [self._answer(*pair) for pair in zip(completions, ids, strict=True)]
        rewards = [self.of(_turn(text), answer) for text, answer in zip(turn, answers, strict=True)]
        if (log := columns.get("log_metric")) and rewards:
            for part in Reward._fields[1:]:
                log(f"call_reward/{part}", sum(getattr(reward, part) for reward in rewards) / len(rewards))
        return [reward.total for reward in rewards]

    def of(self, turn: Turn, answer: Answer) -> Reward:
        """The reward of one answer to a turn."""
        return reward_of(
            in_time(
                lambda easier, catalog: judge(turn, easier, "policy", catalog, format=self._format),
                answer,
                catalog_of(turn),
            )
        )

    def _answer(self, completion: Any, ids: Sequence[int] | None) -> Answer:
        if ids is None or self._tokenizer is None:
            return Answer(text=_text(completion))
        end = next((place for place, token in enumerate(ids) if token in self._ends), len(ids))
        text = self._tokenizer.decode(ids[:end], skip_special_tokens=False)
        return Answer(text=text, finish_reason="stop" if end < len(ids) else "length")


def reward_of(outcome: Outcome) -> Reward:
    """The reward of a judged answer; `total` is 1 if and only if its outcome is `ok`."""
    counts, labels = outcome.counts, set(outcome.labels)
    sound = not labels & FAULTS
    decided = sound and not labels & {"hallucinated_call", "missed_call"}
    called = sound and not labels & {"hallucinated_call", "missed_call", "wrong_tool", "extra_call"}
    compared = counts.gold_args + counts.predicted_args
    arguments = 2 * counts.matched_args / compared if compared else 1.0
    schema = counts.known == counts.attempts and counts.schema_valid + counts.unjudged == counts.known
    partial = PARTIAL * arguments if called and schema else 0.0
    total = 1.0 if counts.exact else partial
    return Reward(total, float(decided), float(called), arguments, float(schema))


def _text(completion: Any) -> str:
    """The text of a completion: a string, or the messages of a conversation, of which the last one counts."""
    if isinstance(completion, str):
        return completion
    last = completion[-1] if completion else {}
    return str(last.get("content") or "") if isinstance(last, Mapping) else ""


@lru_cache(maxsize=4096)
def _turn(text: str) -> Turn:
    return Turn.model_validate_json(text)
