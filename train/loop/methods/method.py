"""What a method of training is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

from datasets import Dataset

from callproof.config import RunConfig

from ...rows.encode import Encoder, Row


class Learning(NamedTuple):
    """A method.

    Attributes:
        arguments: TRL's class of arguments.
        trainer: a trainer of TRL on `Adapting`.
        dataset: token rows as the columns that the trainer takes.
        settings: configuration, longest row (tokens) -> arguments of this method alone.
        options: encoder, configuration -> what the trainer takes beside the options of all.
    """

    arguments: Any
    trainer: Any
    dataset: Callable[[list[Row], RunConfig], Dataset]
    settings: Callable[[RunConfig, int], dict[str, Any]]
    options: Callable[[Encoder, RunConfig], dict[str, Any]] = lambda *_: {}
